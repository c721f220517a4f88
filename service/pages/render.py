"""Pages as HTML: Jinja2 templates that escape everything, and the policy under which a browser shows them."""

from __future__ import annotations

import base64
import datetime as dt
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from service.pages.asset_files import asset_path
from service.pages.models import Page

_SCRIPTED = frozenset({"sign_in.html", "second_factor.html", "account.html", "form_post.html"})
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(page: Page) -> str:
    """The page's HTML; its values are the template's `page`."""
    return _templates.get_template(page.TEMPLATE).render(page=page)


def content_security_policy(page: Page) -> str:
    """Nothing but our own style sheet, pictures and, where there is one, script; no frames, no foreign forms."""
    scripts = "; script-src 'self'" if page.TEMPLATE in _SCRIPTED else ""
    forms = " ".join(("'self'", *page.form_action))
    return (
        f"default-src 'none'; style-src 'self'; img-src 'self' data:{scripts}; form-action {forms}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )


def _moment(seconds: int) -> Markup:
    """A time as a person reads it, and as a program does."""
    when = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        when.strftime("%Y-%m-%dT%H:%M:%SZ"), f"{when.day} {when:%B %Y}, {when:%H:%M} UTC"
    )


def _svg_uri(svg: str) -> str:
    """A drawing as the address of a picture, in which nothing can run."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


_templates.filters.update(moment=_moment, svg_uri=_svg_uri, asset=asset_path)

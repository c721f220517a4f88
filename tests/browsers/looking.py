"""Looks at a page as its readers do: both themes, at a desk and on a small phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize

Theme = Literal["light", "dark"]

THEMES: tuple[Theme, ...] = ("light", "dark")
SIZES = {"desk": ViewportSize(width=1000, height=800), "phone": ViewportSize(width=360, height=740)}
_GRAVE = frozenset({"serious", "critical"})
_WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def look(page: Page, name: str, pictures: Path) -> list[str]:
    """Take a picture of each look of a page, named for it; returns what is wrong with the page."""
    wrong: list[str] = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for size, viewport in SIZES.items():
            page.set_viewport_size(viewport)
            page.screenshot(path=pictures / f"{name}-{theme}-{size}.png", full_page=True)
            if (wider := page.evaluate(_WIDER)) > 0:
                wrong.append(f"{name}, {theme}, {size}: {wider} pixels wider than the screen")
        wrong += [f"{name}, {theme}: {violation}" for violation in _violations(page)]
    return wrong


def _violations(page: Page) -> list[str]:
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {[node['html'] for node in each['nodes']]}"
        for each in found
        if each["impact"] in _GRAVE
    ]

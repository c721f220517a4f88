from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browsers.conftest import OpenPage
from tests.browsers.gallery import PAGES, running_gallery
from tests.browsers.looking import look

pytestmark = [pytest.mark.browsers, pytest.mark.timeout(300)]

_TALL_ENOUGH = 44
_SMALL = (
    "[...document.querySelectorAll('button:not(.link), .button, input:not([type=hidden])')]"
    f".filter(one => one.checkVisibility() && one.getBoundingClientRect().height < {_TALL_ENOUGH})"
    ".map(one => one.outerHTML)"
)


@pytest.fixture(scope="module")
def gallery() -> Iterator[str]:
    """The address of every page in every state."""
    with running_gallery() as address:
        yield address


def _open(open_page: OpenPage, gallery: str, name: str) -> Page:
    page = open_page()
    # The script that would leave the page at once stays away.
    page.route("**/form_post.*.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.goto(f"{gallery}/{name}")
    return page


@pytest.mark.parametrize("name", PAGES)
def test_looks(gallery: str, open_page: OpenPage, pictures: Path, name: str) -> None:
    """Nothing is wider than a small phone, axe finds nothing serious in either theme, and targets are large."""
    page = _open(open_page, gallery, name)
    assert look(page, name, pictures) == []
    assert page.evaluate(_SMALL) == []

"""Chromium, the site, and pages that are watched."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browsers.chromium import Watch, launch
from tests.browsers.site import Site, running_site

OpenPage = Callable[..., Page]

_PATIENCE = 20_000
"""Milliseconds; what waits so long on a busy machine is wrong."""

expect.set_options(timeout=_PATIENCE)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for the whole run."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """One running Tallystick for the whole run."""
    with running_site() as running:
        yield running


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[OpenPage]:
    """Opens a page with cookies of its own. Whatever a test does, no page may log an error or break its policy."""
    opened: list[tuple[Page, Watch]] = []

    def open_one(**options: Any) -> Page:
        page = chromium.new_context(**options).new_page()
        page.set_default_timeout(_PATIENCE)
        opened.append((page, Watch(page)))
        return page

    yield open_one
    for page, _ in opened:
        page.context.close()
    assert [fault for _, watch in opened for fault in watch.faults] == []


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """A page, at a desk's width."""
    return open_page()


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where pictures of the pages go: TALLYSTICK_SCREENSHOTS, or a temporary folder."""
    folder = Path(os.environ.get("TALLYSTICK_SCREENSHOTS") or tempfile.mkdtemp(prefix="tallystick-screenshots-"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder

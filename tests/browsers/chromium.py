"""The Chromium that the tests drive, and what of it they watch."""

from __future__ import annotations

import os
import shutil

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Response

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MISSING = (
    "No Chromium was found: install one (Debian, Ubuntu: apt-get install chromium), "
    "or name it by TALLYSTICK_CHROMIUM=/path/to/chromium."
)
# It talks to nobody but the tests.
_FLAGS = (
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str:
    """The path of the browser. Fails the test run where there is none."""
    named = os.environ.get("TALLYSTICK_CHROMIUM")
    found = named or next((path for path in map(shutil.which, _NAMES) if path), None)
    if found is None or shutil.which(found) is None:
        raise AssertionError(_MISSING)
    return found


def launch(playwright: Playwright) -> Browser:
    """Start it without a window."""
    flags = [*_FLAGS, "--no-sandbox"] if os.geteuid() == 0 else list(_FLAGS)
    return playwright.chromium.launch(executable_path=find_chromium(), args=flags)


class Watch:
    """Notes what must not happen in a page: errors of scripts, refusals of the policy, files that do not come."""

    def __init__(self, page: Page) -> None:
        self.faults: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        # A page whose status says that something was refused is one of ours; of files, _response tells.
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            self.faults.append(message.text)

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.request.resource_type != "document":
            self.faults.append(f"{response.status} {response.url}")

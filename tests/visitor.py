"""A person at a browser, who goes through whatever pages come: signs in, allows, and arrives where they are sent."""

from __future__ import annotations

from urllib.parse import urlsplit

from tests.people import Browser, Page

PASSWORD = "correct-horse-battery-staple-42"
_STEPS = 12


class Visitor:
    """Somebody with an account and a password, at a browser of their own. They allow whatever they are asked for."""

    def __init__(self, browser: Browser, name: str, password: str = PASSWORD) -> None:
        self.browser = browser
        self._name = name
        self._password = password
        self.seen: list[str] = []

    async def visit(self, url: str) -> Page:
        """Go through the pages from an address on; returns the one that has nothing to do, or that leads elsewhere."""
        page = await self.browser.get(url)
        for _ in range(_STEPS):
            if page.status == 303:
                if not page.location.startswith(f"{self.browser.origin}/"):
                    return page
                page = await self.browser.follow(page)
                continue
            step = await self._step(page)
            if step is None:
                return page
            page = step
        raise AssertionError(f"no end of pages: {self.seen}")

    async def _step(self, page: Page) -> Page | None:
        """Do what a page asks for; None where it asks for nothing."""
        assert page.status == 200, (page.status, page.url, page.text)
        forms = {urlsplit(form.action).path: form for form in reversed(page.forms)}
        self.seen.append(urlsplit(page.url).path)
        if "/sign-in" in forms:
            return await self.browser.submit(forms["/sign-in"], name=self._name, password=self._password)
        for path in ("/consent", "/device/decision", "/oauth2/logout"):
            if path in forms and urlsplit(page.url).path != "/account":
                return await self.browser.submit(forms[path], decision="allow")
        if "/device" in forms:
            return await self.browser.submit(forms["/device"])
        return None

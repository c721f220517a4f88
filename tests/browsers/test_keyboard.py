from __future__ import annotations

import pyotp
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browsers.site import Person, Site
from tests.browsers.steps import (
    come_back,
    expect_heading,
    expect_notice,
    next_code,
    open_account,
    virtual_authenticator,
)

pytestmark = [pytest.mark.browsers, pytest.mark.timeout(300)]

_MOST_STOPS = 40
_OUTLINE = (
    "one => { const { outlineStyle, outlineWidth } = getComputedStyle(one); return outlineStyle + outlineWidth; }"
)


def _reach(page: Page, wanted: Locator) -> None:
    """Press Tab until it has the focus, which can be seen there."""
    expect(wanted).to_be_visible()
    for _ in range(_MOST_STOPS):
        if wanted.evaluate("one => one === document.activeElement"):
            assert wanted.evaluate(_OUTLINE) == "solid3px"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {wanted}")


def _type(page: Page, label: str, text: str) -> None:
    _reach(page, page.get_by_label(label, exact=True))
    page.keyboard.type(text)


def _press(page: Page, name: str, role: str = "button") -> None:
    wanted = page.get_by_role("link", name=name) if role == "link" else page.get_by_role("button", name=name)
    _reach(page, wanted)
    page.keyboard.press("Enter")


def _sign_in(page: Page, person: Person) -> None:
    _type(page, "Name", person.name)
    _type(page, "Password", person.password)
    page.keyboard.press("Enter")


def test_signing_in_to_an_application(site: Site, page: Page) -> None:
    """Sign-in and consent need no pointer, and the first field has the focus."""
    page.goto(site.app.authorize_url(site.url, "openid entries:read"))
    expect(page.get_by_label("Name")).to_be_focused()
    _sign_in(page, site.person())
    expect_heading(page, "Allow Ledger to do this?")
    _press(page, "Allow")
    assert "code" in come_back(page, site)


def test_second_steps(site: Site, page: Page) -> None:
    """Nor does adding an authenticator app and recovery codes, or signing in by them."""
    person = site.person()
    page.goto(f"{site.url}/account")
    _sign_in(page, person)
    _press(page, "Add: authenticator app")
    _reach(page, page.locator("summary"))
    page.keyboard.press("Enter")
    app = pyotp.TOTP(page.locator(".secret code").inner_text().replace(" ", ""))
    _type(page, "Code that the app shows now", app.now())
    page.keyboard.press("Enter")
    expect_notice(page, "authenticator app is added")
    _press(page, "Make codes: recovery codes")
    code = page.get_by_role("listitem").first.inner_text()
    _press(page, "I have saved them", "link")
    for label, proof in (("Code from your authenticator app", next_code(app)), ("Recovery code", code)):
        _sign_out(page)
        page.goto(f"{site.url}/account")
        _sign_in(page, person)
        if label == "Recovery code":
            _reach(page, page.locator("summary"))
            page.keyboard.press("Enter")
        _type(page, label, proof)
        page.keyboard.press("Enter")
        expect_heading(page, "Your account")


def _sign_out(page: Page) -> None:
    _press(page, "Sign out", "link")
    expect_heading(page, "Do you want to sign out?")
    _press(page, "Sign out")
    expect_heading(page, "You are signed out")


def test_passkeys(site: Site, page: Page) -> None:
    """Nor does a passkey."""
    virtual_authenticator(page)
    page.goto(f"{site.url}/account")
    _sign_in(page, site.person())
    _type(page, "Name for a new passkey", "Work laptop")
    page.keyboard.press("Enter")
    expect_notice(page, "passkey is added")
    _sign_out(page)
    page.goto(f"{site.url}/account")
    _press(page, "Sign in with a passkey")
    expect_heading(page, "Your account")
    _press(page, "Remove: Work laptop")
    expect_notice(page, "passkey is removed")


def test_account(site: Site, page: Page) -> None:
    """Nor do the forms of the account page, and a new password."""
    person = site.person()
    open_account(page, site, person)
    page.goto(site.app.authorize_url(site.url, "openid entries:read"))
    _press(page, "Allow")
    come_back(page, site)
    page.goto(f"{site.url}/account")
    _reach(page, page.locator("summary"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("See your entries")).to_be_visible()
    _press(page, "Withdraw: Ledger")
    expect_notice(page, "may do nothing any more")
    _press(page, "Change password", "link")
    _type(page, "Current password", person.password)
    _type(page, "New password", "eleven-loud-otters-by-noon")
    _type(page, "New password, once more", "eleven-loud-otters-by-noon")
    page.keyboard.press("Enter")
    expect_notice(page, "password is changed")


def test_device(site: Site, page: Page) -> None:
    """Nor does letting a television in."""
    device = site.device()
    page.goto(device["verification_uri"])
    _sign_in(page, site.person())
    _type(page, "Code that the device shows", device["user_code"])
    page.keyboard.press("Enter")
    expect_heading(page, "Does your device show this code?")
    _press(page, "Allow")
    expect(page.get_by_role("button")).to_have_count(0)

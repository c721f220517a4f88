from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browsers.looking import look
from tests.browsers.site import Person, Site
from tests.browsers.steps import (
    add_authenticator_app,
    add_passkey,
    come_back,
    expect_heading,
    next_code,
    sign_in,
    virtual_authenticator,
)

pytestmark = [pytest.mark.browsers, pytest.mark.timeout(300)]


class _Walk:
    """Somebody who looks at each page that they come by."""

    def __init__(self, page: Page, site: Site, pictures: Path) -> None:
        self.page = page
        self.site = site
        self._pictures = pictures
        self.wrong: list[str] = []

    def see(self, heading: str, name: str) -> None:
        expect_heading(self.page, heading)
        self.wrong += look(self.page, f"walk-{name}", self._pictures)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()


def test_every_page_as_it_is_served(site: Site, page: Page, pictures: Path) -> None:
    """On the way through all pages of a real server each of them holds on every screen, in both themes, for axe too."""
    walk, person = _Walk(page, site, pictures), site.person()
    virtual_authenticator(page)
    _to_an_application(walk, person)
    _through_the_account(walk)
    _with_a_second_step(walk, person)
    _to_a_device(walk)
    _to_the_exit(walk)
    assert walk.wrong == []


def _to_an_application(walk: _Walk, person: Person) -> None:
    walk.page.goto(walk.site.app.authorize_url(walk.site.url, "openid email entries:read"))
    walk.see("Sign in", "sign-in")
    sign_in(walk.page, person._replace(password="not it"))
    walk.see("Sign in", "sign-in-refused")
    sign_in(walk.page, person)
    walk.see("Allow Ledger to do this?", "consent")
    walk.press("Allow")
    come_back(walk.page, walk.site)
    walk.page.goto(walk.site.app.authorize_url(walk.site.url, "openid email entries:read entries:write"))
    walk.see("Allow Ledger to do this?", "consent-again")
    walk.press("Allow")
    come_back(walk.page, walk.site)


def _through_the_account(walk: _Walk) -> None:
    page = walk.page
    page.goto(f"{walk.site.url}/account")
    walk.see("Your account", "account-bare")
    add_passkey(page, "Work laptop")
    page.get_by_role("link", name="Change password").click()
    walk.see("Change your password", "change-password")
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Add: authenticator app").click()
    walk.see("Add an authenticator app", "totp")
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Make codes: recovery codes").click()
    walk.see("Your recovery codes", "recovery-codes")
    page.get_by_role("link", name="I have saved them").click()


def _with_a_second_step(walk: _Walk, person: Person) -> None:
    page = walk.page
    app = add_authenticator_app(page)
    walk.see("Your account", "account")
    walk.site.sign_out(person)
    page.reload()
    sign_in(page, person)
    page.get_by_text("Use a recovery code instead").click()
    walk.see("Confirm that it is you", "second-factor")
    page.get_by_label("Code from your authenticator app").fill(next_code(app))
    walk.press("Continue")
    expect_heading(page, "Your account")


def _to_a_device(walk: _Walk) -> None:
    device = walk.site.device()
    walk.page.goto(device["verification_uri"])
    walk.see("Connect a device", "device-code")
    walk.page.get_by_label("Code that the device shows").fill(device["user_code"])
    walk.press("Continue")
    walk.see("Does your device show this code?", "device-confirm")
    walk.press("Allow")
    walk.see("Your device is connected", "done")


def _to_the_exit(walk: _Walk) -> None:
    walk.page.goto(f"{walk.site.url}/oauth2/authorize?client_id=nobody")
    walk.see("That did not work", "error")
    walk.page.goto(f"{walk.site.url}/oauth2/logout")
    walk.see("Do you want to sign out?", "sign-out")

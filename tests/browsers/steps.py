"""What people do at the pages, step by step."""

from __future__ import annotations

import re
import time
from typing import Any

import pyotp
from playwright.sync_api import CDPSession, Page, expect

from tests.browsers.site import Person, Site

_STEP = 30


def sign_in(page: Page, person: Person) -> None:
    """Fill in the form that is open, and send it."""
    page.get_by_label("Name").fill(person.name)
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def open_account(page: Page, site: Site, person: Person) -> None:
    """Sign in at the account page."""
    page.goto(f"{site.url}/account")
    sign_in(page, person)
    expect_heading(page, "Your account")


def sign_out(page: Page, site: Site) -> None:
    """Sign out by the account page."""
    page.goto(f"{site.url}/account")
    page.get_by_role("link", name="Sign out", exact=True).click()
    expect_heading(page, "Do you want to sign out?")
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect_heading(page, "You are signed out")


def add_authenticator_app(page: Page) -> pyotp.TOTP:
    """Add one from the account page; returns the app."""
    page.get_by_role("button", name="Add: authenticator app").click()
    page.get_by_text("Type the key instead").click()
    app = pyotp.TOTP(page.locator(".secret code").inner_text().replace(" ", ""))
    page.get_by_label("Code that the app shows now").fill(app.now())
    page.get_by_role("button", name="Add app").click()
    expect_notice(page, "authenticator app is added")
    return app


def next_code(app: pyotp.TOTP) -> str:
    """The code of the next time step, which is good already: the one of now may have been used."""
    return app.at(time.time() + _STEP)


def virtual_authenticator(page: Page) -> tuple[CDPSession, str]:
    """Give the page a device that makes passkeys, and answers without being asked twice."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options: dict[str, Any] = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    added = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session, added["authenticatorId"]


def add_passkey(page: Page, label: str) -> None:
    """Add one from the account page."""
    page.get_by_label("Name for a new passkey").fill(label)
    page.get_by_role("button", name="Add a passkey").click()
    expect_notice(page, "passkey is added")


def expect_heading(page: Page, text: str) -> None:
    """Wait for a page with this main heading."""
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def expect_notice(page: Page, text: str) -> None:
    """Wait for a page that says that something is done."""
    expect(page.locator(".notice[role=status]")).to_contain_text(text)


def expect_problem(page: Page, text: str) -> None:
    """Wait for a page that says that something did not work."""
    expect(page.get_by_role("alert")).to_contain_text(text)


def come_back(page: Page, site: Site) -> dict[str, str]:
    """Wait until the browser is back at the application; returns what it brought."""
    expect(page).to_have_url(re.compile(re.escape(site.app.redirect_uri)))
    return site.app.answers[-1]

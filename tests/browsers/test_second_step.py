from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browsers.conftest import OpenPage
from tests.browsers.site import Site
from tests.browsers.steps import (
    add_authenticator_app,
    add_passkey,
    expect_heading,
    expect_problem,
    next_code,
    open_account,
    sign_in,
    sign_out,
    virtual_authenticator,
)

pytestmark = [pytest.mark.browsers, pytest.mark.timeout(300)]

SECOND_STEP = "Confirm that it is you"


@pytest.mark.parametrize("javascript", [True, False], ids=["with_scripts", "without_scripts"])
def test_authenticator_app(site: Site, open_page: OpenPage, javascript: bool) -> None:
    """Once an app is added, a password is not enough: a wrong code is refused, the app's code signs in."""
    person, page = site.person(), open_page(java_script_enabled=javascript)
    open_account(page, site, person)
    app = add_authenticator_app(page)
    sign_out(page, site)
    page.goto(f"{site.url}/sign-in")
    sign_in(page, person)
    expect_heading(page, SECOND_STEP)
    page.get_by_label("Code from your authenticator app").fill("000000")
    page.get_by_role("button", name="Continue", exact=True).click()
    expect_problem(page, "That code did not work")
    page.get_by_label("Code from your authenticator app").fill(next_code(app))
    page.get_by_role("button", name="Continue", exact=True).click()
    expect_heading(page, "Your account")


def test_recovery_code(site: Site, page: Page) -> None:
    """A recovery code stands in for the app, and is used up by that."""
    person = site.person()
    open_account(page, site, person)
    add_authenticator_app(page)
    page.get_by_role("button", name="Make codes: recovery codes").click()
    expect_heading(page, "Your recovery codes")
    codes = page.get_by_role("listitem").all_inner_texts()
    page.get_by_role("link", name="I have saved them").click()
    sign_out(page, site)
    page.goto(f"{site.url}/sign-in")
    sign_in(page, person)
    page.get_by_text("Use a recovery code instead").click()
    page.get_by_label("Recovery code").fill(codes[0].lower())
    page.get_by_role("button", name="Continue with this code").click()
    expect_heading(page, "Your account")
    expect(page.get_by_role("main")).to_contain_text(f"{len(codes) - 1} left.")


def test_passkey_alone(site: Site, page: Page) -> None:
    """A passkey that was added on the account page signs in by itself."""
    person = site.person()
    virtual_authenticator(page)
    open_account(page, site, person)
    add_passkey(page, "Work laptop")
    expect(page.get_by_role("listitem").filter(has_text="Work laptop")).to_be_visible()
    sign_out(page, site)
    page.goto(f"{site.url}/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect_heading(page, "Your account")
    expect(page.get_by_role("main")).to_contain_text(person.name)


def test_passkey_after_a_password(site: Site, page: Page) -> None:
    """It is a second step too."""
    person = site.person()
    virtual_authenticator(page)
    open_account(page, site, person)
    add_passkey(page, "Work laptop")
    sign_out(page, site)
    page.goto(f"{site.url}/sign-in")
    sign_in(page, person)
    expect_heading(page, SECOND_STEP)
    page.get_by_role("button", name="Use a passkey").click()
    expect_heading(page, "Your account")


def test_a_device_without_the_passkey(site: Site, page: Page) -> None:
    """What the browser cannot do is said in words, where it was tried, and can be tried again."""
    session, authenticator = virtual_authenticator(page)
    session.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
    page.goto(f"{site.url}/sign-in")
    button = page.get_by_role("button", name="Sign in with a passkey")
    button.click()
    expect(page.locator(".passkey [role=status]")).to_contain_text("You can try again")
    expect(button).not_to_have_attribute("aria-busy", "true")

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browsers.conftest import OpenPage
from tests.browsers.site import Site
from tests.browsers.steps import (
    add_authenticator_app,
    add_passkey,
    come_back,
    expect_heading,
    expect_notice,
    expect_problem,
    open_account,
    sign_in,
    sign_out,
    virtual_authenticator,
)

pytestmark = [pytest.mark.browsers, pytest.mark.timeout(300)]

NEW_PASSWORD = "eleven-loud-otters-by-noon"


def test_ending_a_session_elsewhere(site: Site, open_page: OpenPage) -> None:
    """A browser that was signed out from another one has to sign in again."""
    person = site.person()
    here, there = open_page(), open_page()
    open_account(there, site, person)
    open_account(here, site, person)
    here.get_by_role("button", name="Sign out there").click()
    expect_notice(here, "signed out")
    there.reload()
    expect_heading(there, "Sign in")


def test_ending_every_other_session(site: Site, open_page: OpenPage) -> None:
    """The one that asks stays."""
    person = site.person()
    here, *others = (open_page() for _ in range(3))
    for page in (*others, here):
        open_account(page, site, person)
    here.get_by_role("button", name="Sign out everywhere else").click()
    expect_notice(here, "Every other browser is signed out")
    for page in others:
        page.reload()
        expect_heading(page, "Sign in")


def test_withdrawing_an_application(site: Site, page: Page) -> None:
    """It is listed with what it may do; once it is withdrawn it has to ask again."""
    open_account(page, site, site.person())
    page.goto(site.app.authorize_url(site.url, "openid entries:read"))
    page.get_by_role("button", name="Allow").click()
    come_back(page, site)
    page.goto(f"{site.url}/account")
    page.get_by_text("What it may do").click()
    expect(page.get_by_text("See your entries")).to_be_visible()
    page.get_by_role("button", name="Withdraw: Ledger").click()
    expect_notice(page, "may do nothing any more")
    page.goto(site.app.authorize_url(site.url, "openid entries:read"))
    expect_heading(page, "Allow Ledger to do this?")


def test_changing_the_password(site: Site, page: Page) -> None:
    """Not without the old one, not to a weak one; then the new one alone signs in."""
    person = site.person()
    open_account(page, site, person)
    page.get_by_role("link", name="Change password").click()
    for old, new, problem in (
        ("not it", NEW_PASSWORD, "not your password"),
        (person.password, "password", "new password"),
        (person.password, NEW_PASSWORD, ""),
    ):
        page.get_by_label("Current password").fill(old)
        page.get_by_label("New password", exact=True).fill(new)
        page.get_by_label("New password, once more").fill(new)
        page.get_by_role("button", name="Change password").click()
        if problem:
            expect_problem(page, problem)
    expect_notice(page, "password is changed")
    sign_out(page, site)
    page.goto(f"{site.url}/sign-in")
    sign_in(page, person)
    expect_problem(page, "Name or password is wrong")
    sign_in(page, person._replace(password=NEW_PASSWORD))
    expect_heading(page, "Your account")


def test_removing_what_one_signs_in_by(site: Site, page: Page) -> None:
    """A passkey and an app that are removed are asked for no more."""
    person = site.person()
    virtual_authenticator(page)
    open_account(page, site, person)
    add_passkey(page, "Old phone")
    add_authenticator_app(page)
    page.get_by_role("button", name="Remove: Old phone").click()
    expect_notice(page, "passkey is removed")
    page.get_by_role("button", name="Remove: authenticator app").click()
    expect_notice(page, "authenticator app is removed")
    sign_out(page, site)
    page.goto(f"{site.url}/sign-in")
    sign_in(page, person)
    expect_heading(page, "Your account")


def test_signing_out_is_asked(site: Site, page: Page) -> None:
    """Who says no stays signed in."""
    open_account(page, site, site.person())
    page.get_by_role("link", name="Sign out", exact=True).click()
    page.get_by_role("button", name="Stay signed in").click()
    expect_heading(page, "You are still signed in")
    page.goto(f"{site.url}/account")
    expect_heading(page, "Your account")
    sign_out(page, site)
    page.goto(f"{site.url}/account")
    expect_heading(page, "Sign in")

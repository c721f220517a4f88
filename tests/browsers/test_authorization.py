from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browsers.conftest import OpenPage
from tests.browsers.site import Site
from tests.browsers.steps import come_back, expect_heading, expect_problem, open_account, sign_in

pytestmark = [pytest.mark.browsers, pytest.mark.timeout(300)]

ASKED = "openid email entries:read"


@pytest.mark.parametrize("javascript", [True, False], ids=["with_scripts", "without_scripts"])
def test_signing_in_to_an_application(site: Site, open_page: OpenPage, javascript: bool) -> None:
    """Sign in, allow, and the application has a code that gives tokens; scripts are not needed for any of it."""
    person, page = site.person(), open_page(java_script_enabled=javascript)
    page.goto(site.app.authorize_url(site.url, ASKED))
    expect(page.get_by_text("to continue to Ledger")).to_be_visible()
    sign_in(page, person)
    expect_heading(page, "Allow Ledger to do this?")
    expect(page.get_by_role("main")).to_contain_text("See your entries")
    page.get_by_role("button", name="Allow").click()
    answer = come_back(page, site)
    assert (answer["state"], answer["iss"]) == ("the-state", site.url)
    assert set(site.tokens(answer["code"])) >= {"access_token", "id_token"}


def test_what_was_allowed_is_not_asked_again(site: Site, page: Page) -> None:
    """The second time the browser goes straight back; when more is asked for, what is new is marked."""
    open_account(page, site, site.person())
    page.goto(site.app.authorize_url(site.url, ASKED))
    page.get_by_role("button", name="Allow").click()
    come_back(page, site)
    page.goto(site.app.authorize_url(site.url, ASKED))
    assert "code" in come_back(page, site)
    page.goto(site.app.authorize_url(site.url, f"{ASKED} entries:write"))
    expect_heading(page, "Allow Ledger to do this?")
    expect(page.get_by_role("listitem").filter(has_text="new")).to_have_count(1)
    expect(page.get_by_role("listitem").filter(has=page.get_by_text("new", exact=True))).to_contain_text(
        "Change your entries"
    )


def test_denying(site: Site, page: Page) -> None:
    """The application is told so, and nothing else."""
    open_account(page, site, site.person())
    page.goto(site.app.authorize_url(site.url, ASKED))
    page.get_by_role("button", name="Deny").click()
    answer = come_back(page, site)
    assert (answer["error"], answer.get("code")) == ("access_denied", None)


@pytest.mark.parametrize("javascript", [True, False], ids=["with_scripts", "without_scripts"])
def test_form_post(site: Site, open_page: OpenPage, javascript: bool) -> None:
    """The answer comes by a form: by itself, or by a button where scripts are off."""
    page = open_page(java_script_enabled=javascript)
    open_account(page, site, site.person())
    page.goto(site.app.authorize_url(site.url, ASKED, response_mode="form_post"))
    page.get_by_role("button", name="Allow").click()
    if not javascript:
        page.get_by_role("button", name="Continue").click()
    answer = come_back(page, site)
    assert set(answer) == {"code", "state", "iss"}


def test_another_account(site: Site, page: Page) -> None:
    """Who is signed in as somebody else can change that at the consent page, and goes on with the request."""
    one, other = site.person(), site.person()
    open_account(page, site, one)
    page.goto(site.app.authorize_url(site.url, ASKED))
    expect(page.get_by_text(f"Signed in as {one.name}")).to_be_visible()
    page.get_by_role("button", name="Use another account").click()
    sign_in(page, other)
    expect(page.get_by_text(f"Signed in as {other.name}")).to_be_visible()
    page.get_by_role("button", name="Allow").click()
    assert "code" in come_back(page, site)


def test_wrong_password(site: Site, page: Page) -> None:
    """The page says so, keeps the name, and the next try goes on to the application."""
    person = site.person()
    page.goto(site.app.authorize_url(site.url, ASKED))
    sign_in(page, person._replace(password="not it"))
    expect_problem(page, "Name or password is wrong")
    expect(page.get_by_label("Name")).to_have_value(person.name)
    expect(page.get_by_label("Password")).to_have_value("")
    sign_in(page, person)
    expect_heading(page, "Allow Ledger to do this?")


def test_a_request_that_cannot_be_trusted_stays_here(site: Site, page: Page) -> None:
    """With a redirect URI that is not the application's the browser goes nowhere, and the page says why."""
    page.goto(site.app.authorize_url(site.url, ASKED, redirect_uri="http://127.0.0.1:1/elsewhere"))
    expect_heading(page, "That did not work")
    assert page.url.startswith(site.url)

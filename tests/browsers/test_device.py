from __future__ import annotations

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browsers.site import Site
from tests.browsers.steps import expect_heading, expect_problem, open_account, sign_in

pytestmark = [pytest.mark.browsers, pytest.mark.timeout(300)]

_POLL = "urn:ietf:params:oauth:grant-type:device_code"


def _poll(site: Site, device_code: str) -> requests.Response:
    form = {"grant_type": _POLL, "client_id": "tv", "device_code": device_code}
    return requests.post(f"{site.url}/oauth2/token", data=form, timeout=20)


def test_letting_a_television_in(site: Site, page: Page) -> None:
    """Type the code, compare it, allow: the television has its tokens."""
    device = site.device()
    open_account(page, site, site.person())
    page.goto(device["verification_uri"])
    page.get_by_label("Code that the device shows").fill(device["user_code"].lower())
    page.get_by_role("button", name="Continue").click()
    expect_heading(page, "Does your device show this code?")
    expect(page.locator(".big-code")).to_have_text(device["user_code"])
    expect(page.get_by_role("main")).to_contain_text("Living room TV")
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_role("button")).to_have_count(0)
    answer = _poll(site, device["device_code"])
    assert answer.status_code == 200, answer.text


def test_a_link_decides_nothing(site: Site, page: Page) -> None:
    """Who follows the link with the code in it signs in, and is asked all the same; denying is final."""
    device = site.device()
    page.goto(device["verification_uri_complete"])
    sign_in(page, site.person())
    if page.get_by_label("Code that the device shows").is_visible():
        page.get_by_role("button", name="Continue").click()
    expect_heading(page, "Does your device show this code?")
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("button")).to_have_count(0)
    assert _poll(site, device["device_code"]).json()["error"] == "access_denied"


def test_a_code_that_no_device_shows(site: Site, page: Page) -> None:
    """The page says so, and keeps what was typed."""
    open_account(page, site, site.person())
    page.goto(f"{site.url}/device")
    field = page.get_by_label("Code that the device shows")
    field.fill("BBBB-BBBB")
    page.get_by_role("button", name="Continue").click()
    expect_problem(page, "code")
    expect(field).to_have_value("BBBB-BBBB")

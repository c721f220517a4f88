"""What somebody may try at the authorization endpoint; each test is named for it."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from service.browser.cookies import BROWSER
from tests.authorize.scene import Scene, Seen

pytestmark = pytest.mark.asyncio(loop_scope="session")

MARKUP = "\"'><script>alert(1)</script>"


async def test_challenge_stripped(scene: Scene) -> None:
    """Without a challenge there is no code, whatever else says PKCE."""
    browser = await scene.visitor()
    for method in ("S256", None):
        seen = await scene.ask(browser, code_challenge=None, code_challenge_method=method)
        scene.check_told(seen, "invalid_request", "no_code_challenge")


@pytest.mark.parametrize("method", ["plain", None, "", "s256", "S512", "S256 "])
async def test_challenge_downgraded_to_plain(scene: Scene, method: str | None) -> None:
    """Only S256 will do; a method that is left out would be plain (RFC 7636 section 4.3)."""
    seen = await scene.ask(await scene.visitor(), code_challenge_method=method)
    scene.check_told(seen, "invalid_request", "code_challenge_method")


@pytest.mark.parametrize("challenge", ["x", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + "+", "A" * 42 + "é"])
async def test_challenge_that_is_no_digest(scene: Scene, challenge: str) -> None:
    """A verifier sent as its own challenge is not taken for one."""
    seen = await scene.ask(await scene.visitor(), code_challenge=challenge)
    scene.check_told(seen, "invalid_request", "malformed_code_challenge")


async def test_mix_up_wrong_iss(scene: Scene) -> None:
    """Every answer says who gives it, once, whatever was asked (RFC 9207): code, refusal and denial, by both modes."""
    browser = await scene.visitor()
    asked = {"iss": "https://evil.example.com"}
    denied = await scene.decide(browser, (await scene.ask(browser, **asked)).page, "deny")
    given_ = await scene.code(browser, **asked)
    silent = await scene.ask(scene.stranger(), prompt="none", **asked)
    posted = await scene.ask(browser, response_mode="form_post", **asked)
    refused_ = await scene.ask(browser, response_mode="form_post", prompt="bad", **asked)
    for seen in (denied, given_, silent, posted, refused_):
        assert scene.core.issuer == seen.answer["iss"]
        assert "evil" not in seen.page.headers.get("location", "") + seen.page.text


async def test_xss_through_state(scene: Scene) -> None:
    """The state is on no page of ours as markup, and comes back as it was."""
    browser = await scene.visitor()
    asked = await scene.ask(browser, state=MARKUP)
    assert "alert(1)" not in asked.page.text
    seen = await scene.decide(browser, asked.page, "allow")
    assert seen.answer["state"] == MARKUP
    assert not set("<>\"'") & set(seen.page.headers["location"])
    posted = await scene.ask(browser, state=MARKUP, response_mode="form_post")
    assert "<script>alert" not in posted.page.text


async def test_xss_through_error_description(scene: Scene) -> None:
    """What a request says of errors is on no page; what is wrong with it neither."""
    for changes in ({"client_id": MARKUP}, {"redirect_uri": MARKUP}, {"state": MARKUP + "\x00"}):
        seen = await scene.ask(scene.stranger(), error=MARKUP, error_description=MARKUP, **changes)
        assert seen.page.status == 400
        assert "alert(1)" not in seen.page.text
    seen = await scene.ask(scene.stranger(), prompt=MARKUP, error_description=MARKUP)
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", seen.answer["error_description"])
    assert "alert" not in seen.answer["error_description"]


async def test_xss_through_client_name(scene: Scene) -> None:
    """A client's name is text on the pages of consent, of signing in, and of going on."""
    client = await scene.client(client_name=MARKUP)
    browser = await scene.visitor()
    stranger = scene.stranger()
    consent = (await scene.ask(browser, client_id=client)).page
    sign_in = await stranger.follow((await scene.ask(stranger, client_id=client)).page)
    await scene.code(browser, client_id=client)
    going_on = (await scene.ask(browser, client_id=client, response_mode="form_post")).page
    for page in (consent, sign_in, going_on):
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert(1)" in page.text


async def test_xss_through_login_hint(scene: Scene) -> None:
    """A login hint is the value of a field, and nothing else."""
    browser = scene.stranger()
    page = await browser.follow((await scene.ask(browser, login_hint=MARKUP)).page)
    assert "<script>alert" not in page.text
    assert page.form("/sign-in").fields["name"] == MARKUP


def check_nothing_given(scene: Scene, seen: Seen, reason: str) -> None:
    """The form was refused on a page, and nothing but that happened."""
    scene.check_shown(seen, reason, "consent")


async def test_csrf_on_consent(scene: Scene) -> None:
    """Consent counts only in a form that was given to this browser, with who is signed in there."""
    browser = await scene.visitor()
    form = (await scene.ask(browser)).page.form("/consent")
    other = await scene.visitor()
    foreign = (await scene.ask(other)).page.form("/consent").fields["csrf"]
    for csrf in ("", "x", foreign):
        check_nothing_given(scene, await scene.see(browser.submit(form, decision="allow", csrf=csrf)), "csrf")
    fields = form.fields | {"decision": "allow"}
    for origin in ("https://evil.example.com", "null", "http://auth.example.com"):
        seen = await scene.see(browser.post("/consent", fields, headers={"origin": origin}))
        check_nothing_given(scene, seen, "foreign_origin")
    del fields["csrf"]
    check_nothing_given(scene, await scene.see(browser.post("/consent", fields)), "csrf")
    cookies, browser.cookies = browser.cookies, {}  # those of a cross-site post (SameSite=Lax)
    check_nothing_given(scene, await scene.see(browser.submit(form, decision="allow")), "csrf")
    browser.cookies = {BROWSER: cookies[BROWSER]}
    check_nothing_given(scene, await scene.see(browser.submit(form, decision="allow")), "csrf")


async def test_consent_of_somebody_else(scene: Scene) -> None:
    """What one person was asked another cannot allow, in whichever browser; nor can a request pass for an asking."""
    asked = (await scene.ask(await scene.visitor())).page.form("/consent")
    browser = await scene.visitor()
    own = (await scene.ask(browser)).page.form("/consent")
    seen = await scene.see(browser.submit(own, decision="allow", request=asked.fields["request"]))
    check_nothing_given(scene, seen, "consent_of_other_session")
    return_to = scene.sign_in(await scene.ask(scene.stranger())).return_to
    sealed = dict(parse_qsl(urlsplit(return_to).query))["request"]
    text = own.fields["request"]
    for forged in (sealed, text[:-1], text[:-2] + "AA", "x", "x" * 20_000):
        seen = await scene.see(browser.submit(own, decision="allow", request=forged))
        check_nothing_given(scene, seen, "stale_request")
    seen = await scene.see(browser.get("/oauth2/authorize/resume", request=text))
    scene.check_shown(seen, "stale_request")


async def test_consent_that_is_neither_yes_nor_no(scene: Scene) -> None:
    """It is not taken for a yes."""
    browser = await scene.visitor()
    form = (await scene.ask(browser)).page.form("/consent")
    for decision in ("", "ALLOW", "yes"):
        seen = await scene.see(browser.submit(form, decision=decision))
        check_nothing_given(scene, seen, "unknown_decision")

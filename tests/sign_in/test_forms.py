from __future__ import annotations

import pytest

from service.browser.sign_in_request import SignInRequest
from service.telemetry.metrics import SIGN_INS
from service.tokens.seal import Sealer
from tests.people import Person
from tests.sign_in.conftest import PASSWORD, Door, door_at, sealed

EVIL = '"><script>alert(1)</script>'


async def test_the_page_asks_for_name_and_password(door: Door) -> None:
    """Open to everybody, and nothing to journal; it leads nowhere but to this server."""
    answer = await door.get("/sign-in")
    assert (answer.page.status, answer.events) == (200, [])
    assert {"csrf", "request", "name", "password"} == set(answer.page.form("/sign-in").fields)
    assert "form-action 'self';" in answer.page.headers["content-security-policy"]


async def test_who_is_signed_in_and_came_by_themselves_goes_to_their_account(door: Door, zoe: Person) -> None:
    """An application that sends them may have them sign in again."""
    await door.sign_in("zoe")
    answer = await door.get("/sign-in")
    assert (answer.page.status, answer.page.headers["location"]) == (303, "/account")
    assert (await door.get("/sign-in", request=sealed(door.core))).page.status == 200


async def test_the_request_fills_the_page_in(door: Door) -> None:
    """The application that waits, the name that it hints at, and where its forms may lead."""
    request = sealed(door.core, client_name="The Shop", name="zoe", form_action=("https://shop.example",))
    page = (await door.get("/sign-in", request=request)).page
    assert "The Shop" in page.text
    assert page.form("/sign-in").fields["name"] == "zoe"
    assert page.form("/sign-in").fields["request"] == request
    assert "form-action 'self' https://shop.example;" in page.headers["content-security-policy"]


async def test_xss_what_others_wrote_is_text(door: Door) -> None:
    """The name of a client, a login hint and what was typed are shown as they are, and are never markup."""
    request = sealed(door.core, client_name=EVIL, name=EVIL)
    shown = (await door.get("/sign-in", request=request)).page
    typed = (await door.sign_in(EVIL, "not it at all", request)).page
    for page in (shown, typed):
        assert EVIL not in page.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
        assert page.form("/sign-in").fields["name"] == EVIL


@pytest.mark.parametrize("path", ["/sign-in", "/sign-in/second-factor", "/sign-in/passkey"])
async def test_csrf_a_form_that_is_not_ours_is_refused(door: Door, zoe: Person, path: str) -> None:
    """Without a token, with that of another browser, or from before somebody signed in here."""
    async with door_at(door.core) as other:
        foreign = (await other.get("/sign-in")).page.form("/sign-in").fields["csrf"]
    stale = (await door.get("/sign-in")).page.form("/sign-in").fields["csrf"]
    await door.sign_in("zoe")
    for token in ("", foreign, stale, "x"):
        fields = {"csrf": token, "name": "zoe", "password": PASSWORD, "state": "x", "passkey_state": "x"}
        answer = await door.post(path, fields)
        assert (answer.page.status, answer.event["reason"]) == (400, "csrf")


async def test_csrf_a_form_from_another_site_is_refused(door: Door, zoe: Person) -> None:
    """Even one that has our token; a browser that does not say where it comes from is let in by the token."""
    fields = (await door.get("/sign-in")).page.form("/sign-in").fields | {"name": "zoe", "password": PASSWORD}
    for origin in ("https://evil.example", "null", "https://auth.example.com.evil.example", "http://auth.example.com"):
        answer = await door.post("/sign-in", fields, {"origin": origin})
        assert (answer.page.status, answer.event["reason"]) == (400, "foreign_origin")
    assert (await door.post("/sign-in", fields)).page.status == 303


async def test_open_redirect_only_what_was_sealed_here_is_followed(door: Door, zoe: Person) -> None:
    """Nothing in the address or the form leads elsewhere: not a request of another server, not a made-up parameter."""
    foreign = Sealer(bytes(32)).seal(SignInRequest(return_to="https://evil.example"), 60)
    for request in (foreign, sealed(door.core)[:-2] + "AA", "https://evil.example", "x"):
        for answer in (
            await door.get("/sign-in", request=request),
            await door.post("/sign-in", await _fields(door) | {"request": request}),
        ):
            assert (answer.page.status, answer.event["reason"]) == (400, "bad_sign_in_request")
            assert "start again" in answer.page.text
    extra = dict.fromkeys(("return_to", "next", "redirect_uri", "return"), "https://evil.example")
    page = (await door.get("/sign-in", **extra)).page
    assert "evil" not in page.text
    answer = await door.post("/sign-in", await _fields(door) | extra)
    assert answer.page.headers["location"] == "/account"


async def _fields(door: Door) -> dict[str, str]:
    form = (await door.get("/sign-in")).page.form("/sign-in")
    return form.fields | {"name": "zoe", "password": PASSWORD}


async def test_a_request_that_is_too_old_is_refused(door: Door, zoe: Person) -> None:
    """Who left the page open for long begins again at the application; nobody is signed in by it."""
    request = sealed(door.core, lifetime=0, client_id="web-app")
    assert (await door.get("/sign-in", request=request)).event["reason"] == "bad_sign_in_request"
    answer = await door.post("/sign-in", await _fields(door) | {"request": request})
    assert answer.event["reason"] == "bad_sign_in_request"
    assert door.cookie == ""


async def test_other_methods_are_refused(door: Door) -> None:
    """GET and POST there are, and no more."""
    page = await door.browser._send("PUT", "/sign-in")
    assert (page.status, page.headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", "GET, HEAD"),
        ("/sign-in/second-factor", "GET, HEAD, POST"),
        ("/sign-in/passkey", "GET, HEAD, POST"),
        ("/account", "GET, HEAD"),
        ("/account/password", "GET, HEAD, POST"),
        ("/account/totp", "POST"),
        ("/account/sessions/end", "POST"),
        ("/device", "GET, HEAD, POST"),
        ("/device/decision", "GET, HEAD, POST"),
        ("/consent", "POST"),
        ("/oauth2/authorize", "GET, POST"),
        ("/oauth2/authorize/resume", "GET"),
        ("/oauth2/logout", "GET, POST"),
    ],
)
async def test_a_page_says_which_methods_it_takes(door: Door, path: str, allowed: str) -> None:
    """Those of `Allow`, which it does not refuse (RFC 9110 section 15.5.6); who is not signed in hears it as well."""
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
        page = await door.browser._send(method, path)
        assert (page.status == 405) == (method not in allowed.split(", ")), method
        assert page.status != 405 or page.headers["allow"] == allowed


async def test_each_step_is_counted(door: Door, zoe: Person) -> None:
    """What passed, failed and was throttled, by its method."""

    def count(outcome: str) -> float:
        return float(SIGN_INS.labels("pwd", outcome)._value.get())

    before = {outcome: count(outcome) for outcome in ("passed", "failed", "throttled")}
    await door.sign_in("zoe")
    for _ in range(11):
        await door.sign_in("zoe", "not it at all")
    assert {outcome: count(outcome) - was for outcome, was in before.items()} == {
        "passed": 1,
        "failed": 10,
        "throttled": 1,
    }

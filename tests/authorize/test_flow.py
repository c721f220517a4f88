"""From a request to a code: who is asked what, what the client gets, and the receipts of it."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import UUID

import pytest

from service.tokens.handles import AUTHORIZATION_CODE, parse_handle
from tests.authorize.scene import (
    CALLBACK,
    CHALLENGE,
    USERS,
    WITH_QUERY,
    Scene,
    parameters_with,
)
from tests.people import AGENT, signed_in

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_person_allows_and_client_gets_a_code(scene: Scene) -> None:
    """The answer has code, state and issuer; consent and grant are journalled, the grant with all it is bound to."""
    person = await scene.person()
    browser = await scene.visitor(person)
    asked = await scene.ask(browser, state="abc def&x=%", resource=[USERS])
    assert (asked.page.status, asked.types) == (200, [])
    allowed = await scene.decide(browser, asked.page, "allow")
    assert allowed.page.status == 303
    assert allowed.page.headers["location"].startswith(f"{CALLBACK}?")
    answer = allowed.answer
    assert {"code", "state", "iss"} == answer.keys()
    assert ("abc def&x=%", scene.core.issuer) == (answer["state"], answer["iss"])
    assert allowed.types == ["consent.granted", "authorization.granted"]
    assert {"client_id": "web-app", "subject": person.subject, "scopes": ["openid", "read:users"]} == allowed.data(
        "consent.granted"
    )
    data = allowed.data("authorization.granted")
    session = data.pop("session")
    issued_at, expires_at, auth_time = (data.pop(key) for key in ("issued_at", "expires_at", "auth_time"))
    assert scene.core.settings.authorization_code_lifetime == expires_at - issued_at
    assert auth_time <= issued_at
    assert (await scene.core.sessions.get(UUID(session))) is not None
    assert {
        "client_id": "web-app",
        "subject": person.subject,
        "scope": "openid read:users",
        "resources": [USERS],
        "redirect_uri": CALLBACK,
        "code_challenge": CHALLENGE,
        "digest": scene.core.digester.digest(answer["code"]),
        "amr": ["pwd"],
        "acr": "1fa",
        "nonce": "n-0S6_WzA2Mj",
        "user_agent": AGENT,
    } == data
    recorded = allowed.events[-1]
    assert parse_handle(AUTHORIZATION_CODE, answer["code"]) == recorded.stream
    assert (1, "web-app", f"account:{person.subject}", "127.0.0.1") == (
        recorded.version,
        recorded.client,
        recorded.actor,
        recorded.source,
    )


async def test_person_denies(scene: Scene) -> None:
    """The client is told access_denied, one event says it, and nothing is allowed."""
    person = await scene.person()
    browser = await scene.visitor(person)
    asked = await scene.ask(browser, state="kept")
    denied = await scene.decide(browser, asked.page, "deny")
    assert ("access_denied", "kept", scene.core.issuer) == tuple(
        denied.answer[key] for key in ("error", "state", "iss")
    )
    assert denied.types == ["authorization.denied"]
    assert {
        "client_id": "web-app",
        "subject": person.subject,
        "scope": "openid read:users",
        "user_agent": AGENT,
    } == denied.data("authorization.denied")
    assert (await scene.ask(browser)).page.status == 200


async def test_redirect_uri_keeps_its_own_query(scene: Scene) -> None:
    """The answer is added to it."""
    seen = await scene.code(await scene.visitor(), redirect_uri=WITH_QUERY)
    assert seen.page.headers["location"].startswith(f"{WITH_QUERY}&code=tly_ac_")
    assert {"tenant", "code", "state", "iss"} == seen.answer.keys()


async def test_state_is_not_made_up(scene: Scene) -> None:
    """Without a state the answer has none."""
    assert {"code", "iss"} == (await scene.code(await scene.visitor(), state=None)).answer.keys()


async def test_form_post(scene: Scene) -> None:
    """The code and an error alike are in a form that goes to the redirect URI (OAuth 2.0 Form Post Response Mode)."""
    browser = await scene.visitor()
    await scene.code(browser)
    seen = await scene.ask(browser, response_mode="form_post", state='"><script>alert(1)</script>')
    assert (seen.page.status, seen.page.form().action) == (200, CALLBACK)
    assert {"code", "state", "iss"} == seen.answer.keys()
    assert seen.answer["state"] == '"><script>alert(1)</script>'
    assert "<script>alert" not in seen.page.text
    assert "form-action 'self' https://app.example.com;" in seen.page.headers["content-security-policy"]
    assert seen.page.headers["cache-control"] == "no-store"
    refused = await scene.ask(browser, response_mode="form_post", code_challenge=None)
    assert ("invalid_request", scene.core.issuer) == (refused.answer["error"], refused.answer["iss"])
    scene.check_rejected(refused, "invalid_request", "no_code_challenge", 200)


async def test_request_by_post(scene: Scene) -> None:
    """A POST is checked, then goes on by GET, so that cookies come along; it takes no cookie of the browser away."""
    browser = await scene.visitor()
    await scene.code(browser)
    cookies, browser.cookies = browser.cookies, {}  # SameSite=Lax
    seen = await scene.ask(browser, method="POST")
    assert (seen.page.status, urlsplit(seen.page.location).path, seen.types) == (303, "/oauth2/authorize/resume", [])
    assert "set-cookie" not in seen.page.headers
    browser.cookies = cookies
    followed = await scene.see(browser.follow(seen.page))
    assert (followed.page.status, followed.types) == (303, ["authorization.granted"])


@pytest.mark.parametrize("path", ["/oauth2/authorize", "/oauth2/authorize/resume", "/consent"])
async def test_other_methods(scene: Scene, path: str) -> None:
    """They are refused with those that are allowed."""
    response = await scene.http.request("PUT", path)
    allowed = {"/oauth2/authorize": "GET, POST", "/oauth2/authorize/resume": "GET", "/consent": "POST"}[path]
    assert (405, allowed) == (response.status_code, response.headers["allow"])


async def test_sign_in_comes_first(scene: Scene) -> None:
    """A stranger is sent to the sign-in page with what it needs, and back to where they were when they come from it."""
    person, browser = await scene.person(), scene.stranger()
    asked = await scene.ask(browser, login_hint="zoe", acr_values="2fa 1fa")
    request = scene.sign_in(asked)
    assert asked.types == []
    assert (
        request.client_id,
        request.client_name,
        request.name,
        request.acr,
        request.form_action,
    ) == ("web-app", "Web App", "zoe", "2fa", ("https://app.example.com",))
    await signed_in(scene.core, scene.http, person, browser=browser)
    consent = await browser.get(request.return_to)
    assert (200, person.name in consent.text) == (consent.status, True)
    assert (await scene.decide(browser, consent, "allow")).types == ["consent.granted", "authorization.granted"]


async def test_whole_way_by_the_pages(scene: Scene) -> None:
    """Signing in by name and password on the page leads on to consent and code."""
    password = "correct-horse-battery-staple-42"
    person = await scene.person(password=password)
    browser = scene.stranger()
    page = await browser.follow((await scene.ask(browser)).page)
    page = await browser.submit(page.form("/sign-in"), name=person.name, password=password)
    consent = await browser.follow(page)
    seen = await scene.decide(browser, consent, "allow")
    assert person.subject == seen.data("authorization.granted")["subject"]
    assert {"code", "state", "iss"} == seen.answer.keys()


async def test_another_account_may_be_used_instead(scene: Scene) -> None:
    """From the consent page somebody else can sign in, even if who is asked has just done so; who signs in then is
    asked, once.
    """
    browser = scene.stranger()
    first = scene.sign_in(await scene.ask(browser, login_hint="somebody"))
    await signed_in(scene.core, scene.http, await scene.person(), browser=browser)
    switched = await scene.decide(browser, await browser.get(first.return_to), "switch")
    request = scene.sign_in(switched)
    assert (switched.types, request.name) == ([], "")
    other = await scene.person()
    # Coming back without having signed in asks to sign in once more.
    assert urlsplit((await browser.get(request.return_to)).location).path == "/sign-in"
    await signed_in(scene.core, scene.http, other, browser=browser)
    seen = await scene.decide(browser, await browser.get(request.return_to), "allow")
    assert other.subject == seen.data("authorization.granted")["subject"]


async def test_request_is_checked_as_of_now(scene: Scene) -> None:
    """A request that waited is nothing worth once its client is disabled."""
    client = await scene.client()
    browser = await scene.visitor()
    asked = await scene.ask(browser, client_id=client)
    await scene.disable(client)
    seen = await scene.decide(browser, asked.page, "allow")
    scene.check_shown(seen, "client_disabled", "consent")


async def test_addresses_stay_short_enough(scene: Scene) -> None:
    """The largest request that is taken, sealed twice, can still be opened."""
    large = parameters_with(state="s" * 2_048, nonce="n" * 512, login_hint="h" * 256, resource=[USERS])
    client = await scene.client(client_name="n" * 500, redirect_uris=("https://app.example.com/" + "p" * 1_900,))
    large |= {"client_id": client, "redirect_uri": scene.known(client).settings.redirect_uris[0]}
    browser = scene.stranger()
    seen = await scene.see(browser.get("/oauth2/authorize", **large))
    request = scene.sign_in(seen)
    await signed_in(scene.core, scene.http, await scene.person(), browser=browser)
    assert (await browser.get(request.return_to)).status == 200

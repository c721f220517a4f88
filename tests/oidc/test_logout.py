from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from schema.events import ClientDisabled
from schema.streams import client_stream
from service.browser.cookies import SESSION
from service.oidc.logout import LogoutRequest
from service.tokens.seal import Sealer
from tests.oidc.world import Given, OidcWorld, SignedInSession
from tests.people import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOGOUT = "/oauth2/logout"
CONFIRM = "/oauth2/logout/confirm"
BACK = "https://app.example.com/signed-out"


async def signed_in(world: OidcWorld, **settings: Any) -> tuple[Given, SignedInSession, Browser]:
    """A person with a browser, and their grant to a client that may be gone back to."""
    client = await world.client(**({"post_logout_redirect_uris": (BACK, f"{BACK}?from=here")} | settings))
    session = await world.session(await world.person())
    return await world.grant(client, session, "openid"), session, world.browser(session)


async def ended(world: OidcWorld, session: SignedInSession) -> bool:
    """Whether a session is over, by its events."""
    return (await world.core.sessions.reload(session.id)).ended


async def types_after(world: OidcWorld, position: int) -> list[str]:
    """The types of the events committed after a position."""
    return [event.type for event in await world.events_after(position)]


async def refused(world: OidcWorld, browser: Browser, reason: str, **query: Any) -> Page:
    """A request that is refused: an error page, one event, and no redirect whatever."""
    before = await world.core.journal.head()
    page = await browser.get(LOGOUT, **query)
    (event,) = await world.events_after(before)
    data = json.loads(event.data)
    assert ("access.rejected", "logout", reason) == (event.type, data["endpoint"], data["reason"])
    assert page.status == 400
    assert "location" not in page.headers
    return page


async def test_id_token_of_the_session_signs_out_at_once(oidc: OidcWorld) -> None:
    """Its session ends, its grant is revoked, the cookie goes, and the browser goes back with `state`."""
    given, session, browser = await signed_in(oidc)
    before = await oidc.core.journal.head()
    page = await browser.get(
        LOGOUT, id_token_hint=await oidc.id_token(given), post_logout_redirect_uri=BACK, state="a b&c=d"
    )
    assert (page.status, page.location.partition("?")[0]) == (303, BACK)
    assert page.sent_back == {"state": "a b&c=d"}
    assert SESSION not in browser.cookies
    assert await types_after(oidc, before) == ["grant.revoked", "session.ended"]
    event = (await oidc.events_after(before))[-1]
    assert {"subject": session.person.subject, "reason": "logout"} == json.loads(event.data)
    assert event.actor == f"account:{session.person.subject}"
    stale = oidc.browser(session)
    assert (await stale.get(LOGOUT)).text.find("You are signed out") > 0
    refused_token = await oidc.http.get("/oauth2/userinfo", headers=given.bearer)
    assert refused_token.status_code == 401


async def test_state_is_added_to_the_query_that_is_there(oidc: OidcWorld) -> None:
    """RP-Initiated Logout section 3."""
    given, _, browser = await signed_in(oidc)
    uri = f"{BACK}?from=here"
    hint = await oidc.id_token(given)
    page = await browser.get(LOGOUT, id_token_hint=hint, post_logout_redirect_uri=uri, state="xyz")
    assert page.sent_back == {"from": "here", "state": "xyz"}


async def test_without_a_hint_the_person_is_asked(oidc: OidcWorld) -> None:
    """Nothing ends until they say so; then it does, and the browser goes back."""
    given, session, browser = await signed_in(oidc, client_name="Photo Album")
    client_id = given.client.client_id
    page = await browser.get(LOGOUT, client_id=client_id, post_logout_redirect_uri=BACK, state="xyz")
    assert page.status == 200
    assert "Photo Album" in page.text
    assert session.person.name in page.text
    assert "form-action 'self' https://app.example.com;" in page.headers["content-security-policy"]
    assert not await ended(oidc, session)
    done = await browser.submit(page.form(CONFIRM), decision="sign_out")
    assert (done.status, done.location) == (303, f"{BACK}?state=xyz")
    assert await ended(oidc, session)
    assert SESSION not in browser.cookies


async def test_person_may_stay_signed_in(oidc: OidcWorld) -> None:
    """Then nothing is journalled, and nobody is redirected."""
    given, session, browser = await signed_in(oidc)
    page = await browser.get(LOGOUT, client_id=given.client.client_id, post_logout_redirect_uri=BACK)
    before = await oidc.core.journal.head()
    stayed = await browser.submit(page.form(CONFIRM), decision="stay")
    assert stayed.status == 200
    assert await types_after(oidc, before) == []
    assert not await ended(oidc, session)
    assert SESSION in browser.cookies


async def test_logout_without_any_parameter_asks_and_ends_here(oidc: OidcWorld) -> None:
    """A person may come by themselves; there is no client to go back to."""
    _, session, browser = await signed_in(oidc)
    page = await browser.get(LOGOUT)
    done = await browser.submit(page.form(CONFIRM), decision="sign_out")
    assert (done.status, "You are signed out" in done.text) == (200, True)
    assert await ended(oidc, session)


async def test_hint_of_another_session_or_person_asks(oidc: OidcWorld) -> None:
    """An ID token that somebody else has, or of an older session, ends nobody's session unasked."""
    given, session, browser = await signed_in(oidc)
    other, other_session, _ = await signed_in(oidc)
    older = await oidc.grant(given.client, await oidc.session(session.person))
    for hint in (await oidc.id_token(other), await oidc.id_token(older)):
        page = await browser.get(LOGOUT, id_token_hint=hint, post_logout_redirect_uri=BACK)
        assert page.form(CONFIRM).fields["csrf"]
        assert session.person.name in page.text
    assert not await ended(oidc, session)
    assert not await ended(oidc, other_session)


async def test_nobody_signed_in_goes_straight_back(oidc: OidcWorld) -> None:
    """There is nothing to end; the hinted session of another browser stays as it is."""
    given, session, _ = await signed_in(oidc)
    hint = await oidc.id_token(given)
    page = await oidc.browser().get(LOGOUT, id_token_hint=hint, post_logout_redirect_uri=BACK)
    assert page.location == BACK
    assert not await ended(oidc, session)


async def test_client_may_post_the_request(oidc: OidcWorld) -> None:
    """A form of another site comes without the cookie (SameSite=Lax): its request goes on by GET, with it."""
    given, session, browser = await signed_in(oidc)
    cookies, browser.cookies = browser.cookies, {}
    form = {"id_token_hint": await oidc.id_token(given), "post_logout_redirect_uri": BACK, "state": "xyz"}
    page = await browser.post(LOGOUT, form, headers={"origin": "https://app.example.com"})
    assert form["id_token_hint"] not in page.location
    browser.cookies |= cookies
    done = await browser.follow(page)
    assert (done.status, done.location) == (303, f"{BACK}?state=xyz")
    assert await ended(oidc, session)


async def test_logout_csrf(oidc: OidcWorld) -> None:
    """The answer to the question must come from the page that this browser was shown: its token, its origin."""
    given, session, browser = await signed_in(oidc)
    _, victim_session, victims = await signed_in(oidc)
    form = (await browser.get(LOGOUT, client_id=given.client.client_id)).form(CONFIRM)
    sealed = {"state": form.fields["state"], "decision": "sign_out"}
    for fields, origin in (
        (sealed, oidc.core.issuer),
        (sealed | {"csrf": "x" * 43}, oidc.core.issuer),
        (sealed | {"csrf": form.fields["csrf"]}, oidc.core.issuer),
        (sealed | {"csrf": (await victims.get(LOGOUT)).form(CONFIRM).fields["csrf"]}, "https://evil.example"),
    ):
        page = await victims.post(CONFIRM, fields, headers={"origin": origin})
        assert page.status == 400
    assert not await ended(oidc, victim_session)
    assert not await ended(oidc, session)


async def test_sealed_request_of_somebody_else_ends_no_session_unasked(oidc: OidcWorld) -> None:
    """The address that a POST leads to carries the session of its ID token; in another browser it asks."""
    given, _, browser = await signed_in(oidc)
    page = await browser.post(LOGOUT, {"id_token_hint": await oidc.id_token(given)}, headers={"origin": "null"})
    _, victim_session, victims = await signed_in(oidc)
    asked = await victims.get(page.location)
    assert asked.form(CONFIRM).fields["csrf"]
    assert not await ended(oidc, victim_session)


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/",
        f"{BACK}/",
        f"{BACK}/../x",
        f"{BACK}?from=there",
        f"{BACK}#x",
        BACK.upper(),
        "https://app.example.com:443/signed-out",
        "https://app.example.com@evil.example/signed-out",
        "https://app.example.com%2fsigned-out",
        "//app.example.com/signed-out",
        "javascript:alert(1)",
    ],
)
async def test_open_redirect(oidc: OidcWorld, uri: str) -> None:
    """Only the registered address, character by character; whether somebody is signed in or not, by client or hint."""
    given, session, browser = await signed_in(oidc)
    named = {"client_id": given.client.client_id}
    hinted = {"id_token_hint": await oidc.id_token(given)}
    for who in (browser, oidc.browser()):
        for query in (named, hinted):
            await refused(oidc, who, "post_logout_redirect_uri_unknown", post_logout_redirect_uri=uri, **query)
    assert not await ended(oidc, session)


async def test_redirect_takes_a_client(oidc: OidcWorld) -> None:
    """An address that some client registered is none without saying which; nor is that of another client."""
    _, _, browser = await signed_in(oidc)
    await refused(oidc, browser, "redirect_without_client", post_logout_redirect_uri=BACK)
    other = await oidc.client()
    await refused(
        oidc,
        browser,
        "post_logout_redirect_uri_unknown",
        client_id=other.client_id,
        post_logout_redirect_uri=BACK,
    )
    await refused(oidc, browser, "unknown_client", client_id="nobody", post_logout_redirect_uri=BACK)


async def test_disabled_client_is_not_gone_back_to(oidc: OidcWorld) -> None:
    """It may do nothing."""
    given, _, browser = await signed_in(oidc)
    client_id = given.client.client_id
    await oidc.append(client_stream(client_id), 1, ClientDisabled(client_id=client_id))
    await refused(oidc, browser, "client_disabled", client_id=client_id, post_logout_redirect_uri=BACK)


async def test_bad_hints_are_refused(oidc: OidcWorld) -> None:
    """A forged ID token, or one of another client than the one named, signs nobody out."""
    given, session, browser = await signed_in(oidc)
    hint = await oidc.id_token(given)
    await refused(oidc, browser, "bad_id_token_hint", id_token_hint=f"{hint}x")
    await refused(oidc, browser, "bad_id_token_hint", id_token_hint=given.access_token)
    other = await oidc.client(post_logout_redirect_uris=(BACK,))
    await refused(oidc, browser, "hint_of_other_client", id_token_hint=hint, client_id=other.client_id)
    assert not await ended(oidc, session)


async def test_oversized_state_is_refused(oidc: OidcWorld) -> None:
    """It would not fit into an address."""
    given, _, browser = await signed_in(oidc)
    query = {"client_id": given.client.client_id, "post_logout_redirect_uri": BACK}
    await refused(oidc, browser, "too_large", state="x" * 4_097, **query)
    assert (await browser.get(LOGOUT, state="x" * 4_096, **query)).status == 200


async def test_xss_through_state_and_client_name(oidc: OidcWorld) -> None:
    """What others choose is text in the page, never markup."""
    script = "<script>alert(1)</script>"
    given, _, browser = await signed_in(oidc, client_name=script)
    page = await browser.get(
        LOGOUT, client_id=given.client.client_id, post_logout_redirect_uri=BACK, state=f'"{script}'
    )
    assert script not in page.text


async def test_question_of_another_server_is_stale(oidc: OidcWorld) -> None:
    """A sealed request opens here alone, and for an hour."""
    _, session, browser = await signed_in(oidc)
    request = LogoutRequest(go_on_to="https://evil.example/", session=str(session.id))
    for state in (Sealer(bytes(32)).seal(request, 60), oidc.core.sealer.seal(request, -1), "x"):
        page = await browser.get(CONFIRM, state=state)
        assert page.status == 400
    assert not await ended(oidc, session)


async def test_answer_after_the_session_is_over_goes_on(oidc: OidcWorld) -> None:
    """Two tabs: in the second one there is nothing left to end, and its form is out of date."""
    given, session, browser = await signed_in(oidc)
    form = (await browser.get(LOGOUT, client_id=given.client.client_id)).form(CONFIRM)
    await browser.submit(form, decision="sign_out")
    again = await browser.submit(form, decision="sign_out")
    assert again.status == 400
    assert await ended(oidc, session)


async def test_logout_takes_get_and_post_alone(oidc: OidcWorld) -> None:
    """Anything else is 405."""
    for path in (LOGOUT, CONFIRM):
        response = await oidc.http.put(path)
        assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")


async def test_no_token_is_in_a_page_or_address(oidc: OidcWorld) -> None:
    """The ID token that came is not sent on."""
    given, _, browser = await signed_in(oidc)
    older = await oidc.id_token(await oidc.grant(given.client, await oidc.session(await oidc.person())))
    page = await browser.get(LOGOUT, id_token_hint=older, post_logout_redirect_uri=BACK)
    assert older not in page.text
    assert parse_qs(urlsplit(page.form(CONFIRM).action).query) == {}

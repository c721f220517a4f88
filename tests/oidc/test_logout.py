from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from service.browser.cookies import SESSION
from tests.oidc.signing_out import BACK, CONFIRM, LOGOUT, ended, signed_in, types_after
from tests.oidc.world import OidcWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")


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

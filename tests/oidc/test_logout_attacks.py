from __future__ import annotations

import pytest

from schema.events import ClientDisabled, ClientRegistered, ClientRemoved
from schema.streams import client_stream
from service.oidc.logout import LogoutRequest
from service.tokens.seal import Sealer
from tests.oidc.signing_out import BACK, CONFIRM, LOGOUT, ended, refused, signed_in
from tests.oidc.world import OidcWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")


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


async def test_question_of_a_replaced_client_is_stale(oidc: OidcWorld) -> None:
    """Who asked is gone: the page neither goes back to it, nor to the one that has its id now."""
    given, session, browser = await signed_in(oidc)
    client_id = given.client.client_id
    page = await browser.get(LOGOUT, client_id=client_id, post_logout_redirect_uri=BACK)
    again = given.client.settings
    assert isinstance(again, ClientRegistered)
    await oidc.append(client_stream(client_id), 1, ClientRemoved(client_id=client_id), again)
    answer = await browser.submit(page.form(CONFIRM), decision="sign_out")
    assert (answer.status, "location" in answer.headers) == (400, False)
    assert not await ended(oidc, session)

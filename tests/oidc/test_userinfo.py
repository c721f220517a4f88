from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from schema.envelope import Context
from schema.events import AccountDisabled, AccountEnabled, AccountSignedOut, ClientDisabled
from schema.streams import account_stream, client_stream
from service.grants.revoke import revoke_grant
from service.journal.port import JournalTimeout
from service.oidc.scopes import IDENTITY_SCOPES
from tests.endpoints.world import World
from tests.oidc.world import Given, OidcWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")

USERINFO = "/oauth2/userinfo"


async def ask(world: OidcWorld, given: Given) -> dict[str, Any]:
    """What userinfo says of a grant's token; nothing is journalled for it."""
    before = await world.core.journal.head()
    response = await world.http.get(USERINFO, headers=given.bearer)
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert await world.core.journal.head() == before
    body: dict[str, Any] = response.json()
    return body


async def refused(world: OidcWorld, method: str = "GET", **request: Any) -> tuple[httpx.Response, dict[str, Any]]:
    """A refusal, and its one event, which says the same and no secret."""
    before = await world.core.journal.head()
    response = await world.http.request(method, USERINFO, **request)
    (event,) = await world.events_after(before)
    data: dict[str, Any] = json.loads(event.data)
    assert event.type == "access.rejected"
    body = response.json()
    assert ("userinfo", response.status_code, body["error"]) == (data["endpoint"], data["status"], data["error"])
    return response, data


async def good(world: OidcWorld, scope: str = "openid", **settings: Any) -> Given:
    """A grant of a fresh person to a fresh client."""
    return await world.grant(await world.client(), await world.session(await world.person()), scope, **settings)


async def test_userinfo_tells_what_the_scopes_name(oidc: OidcWorld) -> None:
    """OpenID Connect Core section 5.4: `sub` always, else what `profile`, `email` and `roles` name."""
    person = await oidc.person(email="zoe@example.com", roles=("editor", "author"))
    session, client = await oidc.session(person), await oidc.client()
    email = {"email": "zoe@example.com", "email_verified": False}
    name = {"name": person.name, "preferred_username": person.name}
    for scope, told in (
        ("openid", {}),
        ("openid profile", name),
        ("openid email", email),
        ("openid roles", {"roles": ["author", "editor"]}),
        ("openid profile email read:files", name | email),
    ):
        assert {"sub": person.subject} | told == await ask(oidc, await oidc.grant(client, session, scope))


async def test_userinfo_without_an_email_address_says_nothing_of_one(oidc: OidcWorld) -> None:
    """What is not known is left out (section 5.3.2)."""
    given = await good(oidc, "openid email")
    assert {"sub": given.giver.subject} == await ask(oidc, given)


async def test_userinfo_keeps_to_the_scope_of_the_token(oidc: OidcWorld) -> None:
    """A token that was narrowed tells less than its grant."""
    given = await good(oidc, "openid profile", token_scope="openid")
    assert {"sub": given.giver.subject} == await ask(oidc, given)


async def test_claims_parameter_names_what_userinfo_tells(oidc: OidcWorld) -> None:
    """Claims asked for by name are told too, but none whose scope the client may not have."""
    session = await oidc.session(await oidc.person(email="zoe@example.com"))
    given = await oidc.grant(await oidc.client(), session, userinfo_claims=("email", "phone_number"))
    assert {"sub": session.person.subject, "email": "zoe@example.com"} == await ask(oidc, given)
    client = await oidc.client(scopes=tuple(IDENTITY_SCOPES.keys() - {"email"}))
    given = await oidc.grant(client, session, userinfo_claims=("email", "name"))
    assert {"sub": session.person.subject, "name": session.person.name} == await ask(oidc, given)


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_token_is_presented_by_header_or_form(oidc: OidcWorld, token_format: str) -> None:
    """GET and POST by header, POST by form as well; the scheme in any case (RFC 6750 section 2)."""
    given = await good(oidc, token_format=token_format)
    token, told = given.access_token, {"sub": given.giver.subject}
    assert told == (await oidc.http.get(USERINFO, headers={"authorization": f"bearer {token}"})).json()
    assert told == (await oidc.http.post(USERINFO, headers=given.bearer)).json()
    assert told == (await oidc.http.post(USERINFO, headers=given.bearer, json={})).json()
    assert told == (await oidc.http.post(USERINFO, data={"access_token": token})).json()


async def test_without_a_token_the_challenge_names_no_error(oidc: OidcWorld) -> None:
    """RFC 6750 section 3."""
    for header in ({}, {"authorization": "Bearer "}, {"authorization": "Basic eDp5"}):
        response, event = await refused(oidc, headers=header)
        assert (response.status_code, event["reason"]) == (401, "no_token")
        assert response.headers["www-authenticate"] == 'Bearer realm="tallystick"'


async def test_token_in_the_address_is_refused(oidc: OidcWorld) -> None:
    """RFC 9700 section 4.3.2: not even a good one, and not beside a header."""
    given = await good(oidc)
    for headers in ({}, given.bearer):
        response, event = await refused(oidc, params={"access_token": given.access_token}, headers=headers)
        assert (response.status_code, event["reason"]) == (400, "token_in_query")
        assert 'error="invalid_request"' in response.headers["www-authenticate"]


async def test_token_presented_twice_is_refused(oidc: OidcWorld) -> None:
    """RFC 6750 section 2: one way at a time."""
    given = await good(oidc)
    form = {"access_token": given.access_token}
    response, event = await refused(oidc, "POST", headers=given.bearer, data=form)
    assert (response.status_code, event["reason"]) == (400, "two_tokens")


async def test_other_methods_are_refused(oidc: OidcWorld) -> None:
    """405 tells which there are."""
    response, event = await refused(oidc, "PUT")
    assert (response.status_code, response.headers["allow"], event["reason"]) == (
        405,
        "GET, POST",
        "method_not_allowed",
    )


async def inactive(world: OidcWorld, token: str, detail: str) -> None:
    """A token is refused as any dead one is; only the event tells why."""
    response, event = await refused(world, headers={"authorization": f"Bearer {token}"})
    assert response.status_code == 401
    assert response.json() == {"error": "invalid_token", "error_description": "The access token is not active."}
    assert response.headers["www-authenticate"] == (
        'Bearer realm="tallystick", error="invalid_token", error_description="The access token is not active."'
    )
    assert ("token_not_active", detail) == (event["reason"], event["detail"])


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_revoked_grant_tells_nothing_more(oidc: OidcWorld, token_format: str) -> None:
    """Once a revocation is answered its tokens are of no use here either (promise 4)."""
    given = await good(oidc, token_format=token_format)
    await ask(oidc, given)
    position = await revoke_grant(oidc.core, Context(), given.id, "test")
    assert position is not None
    await oidc.core.follower.settled(position)
    await inactive(oidc, given.access_token, "token_revoked")


async def test_expired_and_foreign_tokens_are_refused(oidc: OidcWorld) -> None:
    """So are cut-off handles, altered JWTs and anything else."""
    expired = await good(oidc, lifetime=0)
    await inactive(oidc, expired.access_token, "token_expired")
    opaque = (await good(oidc, token_format="opaque")).access_token
    await inactive(oidc, opaque[:-1], "token_malformed")
    header, payload, signature = (await good(oidc)).access_token.split(".")
    await inactive(oidc, f"{header}.{payload}.{signature[::-1]}", "token_unknown")
    await inactive(oidc, "x" * 10_000, "token_unknown")


async def test_disabled_account_is_told_nothing_of(oidc: OidcWorld) -> None:
    """Enabled again, tokens that hang on no session work again, until it is signed out everywhere."""
    client, session = await oidc.client(), await oidc.session(await oidc.person())
    given = await oidc.grant(client, session, "openid offline_access")
    hanging = await oidc.grant(client, session, "openid")
    account = oidc.core.state.accounts.by_subject[given.giver.subject]
    stream, subject = account_stream(account.name), account.subject
    await oidc.append(stream, 1, AccountDisabled(subject=subject))
    await inactive(oidc, given.access_token, "account_disabled")
    await oidc.append(stream, 2, AccountEnabled(subject=subject))
    await ask(oidc, given)
    await inactive(oidc, hanging.access_token, "account_sessions_ended")
    await oidc.append(stream, 3, AccountSignedOut(subject=subject))
    await inactive(oidc, given.access_token, "account_signed_out")


async def test_disabled_client_is_told_nothing(oidc: OidcWorld) -> None:
    """Nor is a client that was disabled since."""
    given = await good(oidc)
    client_id = given.client.client_id
    await oidc.append(client_stream(client_id), 1, ClientDisabled(client_id=client_id))
    await inactive(oidc, given.access_token, "client_disabled")


async def test_token_without_openid_is_not_enough(oidc: OidcWorld) -> None:
    """403 `insufficient_scope` names the scope that is needed (RFC 6750 section 3.1)."""
    given = await good(oidc, "profile read:files")
    response, event = await refused(oidc, headers=given.bearer)
    assert (response.status_code, event["reason"]) == (403, "scope_without_openid")
    assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
    assert 'scope="openid"' in response.headers["www-authenticate"]
    assert (event["client_id"], event["token_id"]) == (given.client.client_id, f"{given.id}.1")


async def test_token_that_no_person_gave_is_not_enough(fresh: World) -> None:
    """A client's own token has no person to tell of."""
    token = await fresh.issue(fresh.service)
    response = await fresh.http.get(USERINFO, headers={"authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["error"]) == (403, "insufficient_scope")


async def test_scripts_of_any_site_may_ask(oidc: OidcWorld) -> None:
    """CORS: the question that browsers ask first is answered without an event, and answers may be read."""
    before = await oidc.core.journal.head()
    headers = {"origin": "https://spa.example.net", "access-control-request-method": "GET"}
    for path in (USERINFO, "/oauth2/token", "/oauth2/revoke"):
        preflight = await oidc.http.options(path, headers=headers)
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "*")
        assert "authorization" in preflight.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in preflight.headers
    assert await oidc.core.journal.head() == before
    given = await good(oidc)
    answered = await oidc.http.get(USERINFO, headers=given.bearer | {"origin": "https://spa.example.net"})
    assert answered.headers["access-control-allow-origin"] == "*"
    without = await oidc.http.options("/oauth2/token", headers={"origin": "https://spa.example.net"})
    assert without.status_code == 405


async def test_refusal_that_cannot_be_journalled_is_answered_503(fresh: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal that cannot be journalled is not answered (promise 1)."""

    async def lost(*_: object) -> None:
        raise JournalTimeout("lost")

    monkeypatch.setattr(fresh.core.journal, "append", lost)
    response = await fresh.http.get(USERINFO)
    assert (response.status_code, response.json()["error"]) == (503, "temporarily_unavailable")

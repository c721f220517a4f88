"""The refresh token grant: rotation, retries, reuse, lifetimes, and what it rests on."""

from __future__ import annotations

from typing import Any

import pytest

from schema.events import AccountDisabled, AccountEnabled, AccountSignedOut, ClientUpdated
from schema.streams import account_stream, client_stream, new_stream
from service.tokens.handles import REFRESH_TOKEN, new_handle
from tests.endpoints.granting import (
    ALL,
    APP_SCOPES,
    GRANTS,
    REDIRECT,
    Later,
    active,
    app,
    first_tokens,
    person,
    refresh,
    withdraw,
)
from tests.endpoints.test_authorization_code import INVALID, claims_of
from tests.endpoints.world import USERS, Party, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

REUSED = ["token.reuse_detected", "grant.revoked", "access.rejected"]


async def started(world: World, **settings: Any) -> tuple[Party, dict[str, Any]]:
    """An app and its first tokens."""
    party, who = await app(world, **settings), await person(world.core)
    return party, await first_tokens(world, party, who)


@pytest.mark.parametrize("auth_method", ["client_secret_basic", "none"])
async def test_use_rotates_the_refresh_token(world: World, auth_method: str) -> None:
    """New access and refresh token, one event with the next generation, and the new one works in its turn."""
    party, tokens = await started(world, auth_method=auth_method)
    token = tokens["refresh_token"]
    for generation in (1, 2, 3):
        answer = await refresh(world, party, token)
        assert [event.type for event in answer.events] == ["token.refreshed"]
        assert (generation, generation + 1) == (answer.event["generation"], answer.event["number"])
        assert world.core.digester.digest(token) == answer.event["used_digest"]
        assert token != answer.body["refresh_token"]
        assert await active(world, answer.body["access_token"])
        token = answer.body["refresh_token"]
        assert world.core.digester.digest(token) == answer.event["refresh_digest"]


async def test_id_token_of_a_refresh_is_of_the_same_sign_in(world: World) -> None:
    """Same subject and auth_time, no nonce (OpenID Connect Core section 12.2)."""
    party, tokens = await started(world)
    before = claims_of(tokens["id_token"])
    after = claims_of((await refresh(world, party, tokens["refresh_token"])).body["id_token"])
    same = ("iss", "sub", "aud", "auth_time", "sid", "acr")
    assert [before[name] for name in same] == [after[name] for name in same]
    assert "nonce" not in after
    assert before["at_hash"] != after["at_hash"]


async def test_retry_after_a_lost_answer_works(world: World) -> None:
    """The same token again within the window: a working answer, and no fork once either is used."""
    party, tokens = await started(world)
    lost = (await refresh(world, party, tokens["refresh_token"])).body
    again = await refresh(world, party, tokens["refresh_token"])
    assert (again.status, again.event["retry"], again.event["generation"]) == (200, True, 1)
    assert (await refresh(world, party, again.body["refresh_token"])).event["generation"] == 2
    stale = await refresh(world, party, lost["refresh_token"])
    assert [event.type for event in stale.events] == REUSED


async def test_retries_are_bounded(world: World) -> None:
    """One more than are allowed is reuse."""
    party, tokens = await started(world)
    allowed = 1 + world.core.settings.refresh_grace_retries
    for _ in range(allowed):
        assert (await refresh(world, party, tokens["refresh_token"])).status == 200
    answer = await refresh(world, party, tokens["refresh_token"])
    assert ([event.type for event in answer.events], answer.body) == (REUSED, INVALID)


async def test_reuse_ends_the_grant_and_says_nothing_more(world: World, later: Later) -> None:
    """Outside the window: journalled with its generation, every token of the grant dead, a plain invalid_grant."""
    party, tokens = await started(world)
    second = (await refresh(world, party, tokens["refresh_token"])).body
    later(10)
    answer = await refresh(world, party, tokens["refresh_token"])
    assert [event.type for event in answer.events] == REUSED
    assert (answer.body, answer.error) == (INVALID, (400, "invalid_grant", "refresh_token_reused"))
    assert f"{tokens['grant_id']}.0" == answer.last["token_id"]
    for token in (tokens["access_token"], second["access_token"]):
        assert not await active(world, token)
    for token in (tokens["refresh_token"], second["refresh_token"]):
        assert (await refresh(world, party, token)).error == (400, "invalid_grant", "grant_revoked")


async def test_token_of_long_ago_is_reuse(world: World) -> None:
    """Memory knows two generations; the journal knows them all."""
    party, tokens = await started(world)
    token = tokens["refresh_token"]
    for _ in range(4):
        token = (await refresh(world, party, token)).body["refresh_token"]
    answer = await refresh(world, party, tokens["refresh_token"])
    assert [event.type for event in answer.events] == REUSED


async def test_token_of_a_client_without_rotation_stays(world: World, later: Later) -> None:
    """The answer has no refresh token, for the one that there is goes on."""
    party, tokens = await started(world, refresh_rotation=False)
    for _ in range(3):
        later(20)
        answer = await refresh(world, party, tokens["refresh_token"])
        assert (answer.status, "refresh_token" in answer.body) == (200, False)
        assert (answer.event["generation"], "refresh_digest" in answer.event) == (0, False)
        assert await active(world, answer.body["access_token"])


@pytest.mark.parametrize(
    ("asked", "scope"),
    [({"scope": "read:users"}, "read:users"), ({"scope": "openid"}, "openid"), ({"resource": USERS}, ALL), ({}, ALL)],
)
async def test_less_may_be_asked_for_and_the_refresh_token_keeps_the_rest(
    world: World, asked: dict[str, str], scope: str
) -> None:
    """A narrower scope is that of one access token (RFC 6749 section 6)."""
    party, tokens = await started(world)
    narrow = await refresh(world, party, tokens["refresh_token"], **asked)
    assert (200, scope) == (narrow.status, narrow.body["scope"])
    assert ("openid" in scope) == ("id_token" in narrow.body)
    whole = await refresh(world, party, narrow.body["refresh_token"])
    assert whole.body["scope"] == ALL


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"scope": ALL + " profile"}, (400, "invalid_scope", "scope_not_granted")),
        ({"resource": "https://payments.example.com"}, (400, "invalid_target", "resource_not_granted")),
        ({"scope": '"'}, (400, "invalid_scope", "malformed_scope")),
    ],
)
async def test_more_is_refused_and_uses_nothing_up(
    world: World, asked: dict[str, str], error: tuple[int, str, str]
) -> None:
    """What was not granted is not given, though the client could have asked for it at first."""
    party, tokens = await started(world)
    assert error == (await refresh(world, party, tokens["refresh_token"], **asked)).error
    assert (await refresh(world, party, tokens["refresh_token"])).status == 200


async def test_lifetimes_end(world: World, later: Later) -> None:
    """Idle too long, and too old though used all the time."""
    party, tokens = await started(world)
    idle = world.core.settings.refresh_idle_lifetime
    later(idle - 5)
    second = (await refresh(world, party, tokens["refresh_token"])).body
    later(idle - 5)
    third = (await refresh(world, party, second["refresh_token"])).body
    later(world.core.settings.refresh_token_lifetime - 2 * idle + 10)
    assert (await refresh(world, party, third["refresh_token"])).error == (
        400,
        "invalid_grant",
        "refresh_token_expired",
    )


async def test_token_that_lay_idle_is_refused(world: World, later: Later) -> None:
    """Its grant is not revoked by that."""
    party, tokens = await started(world)
    later(world.core.settings.refresh_idle_lifetime)
    answer = await refresh(world, party, tokens["refresh_token"])
    assert ([event.type for event in answer.events], answer.error[2]) == (["access.rejected"], "refresh_token_idle")


async def test_disabled_account_refreshes_nothing_until_it_is_enabled(world: World) -> None:
    """And signing out everywhere ends it for good."""
    party, who = await app(world), await person(world.core)
    token, stream = (await first_tokens(world, party, who))["refresh_token"], account_stream(who.name)
    await world.append(stream, 1, AccountDisabled(subject=who.subject))
    assert (await refresh(world, party, token)).error == (400, "invalid_grant", "account_disabled")
    await world.append(stream, 2, AccountEnabled(subject=who.subject))
    second = await refresh(world, party, token)
    assert second.status == 200
    await world.append(stream, 3, AccountSignedOut(subject=who.subject))
    signed_out = await refresh(world, party, second.body["refresh_token"])
    assert signed_out.error == (400, "invalid_grant", "account_signed_out")


async def test_right_that_the_client_lost_is_lost_to_its_grants(world: World) -> None:
    """Scopes taken from the client are not in what it gets next; without the grant type it gets nothing."""
    party, tokens = await started(world)
    rights: dict[str, Any] = {"client_id": party.client_id, "auth_method": "client_secret_basic", "resources": (USERS,)}
    stream = client_stream(party.client_id)
    fewer = tuple(scope for scope in APP_SCOPES if scope != "write:users")
    await world.append(stream, 1, ClientUpdated(grants=GRANTS, scopes=fewer, redirect_uris=(REDIRECT,), **rights))
    second = await refresh(world, party, tokens["refresh_token"])
    assert second.body["scope"] == "offline_access openid read:users"
    await world.append(stream, 2, ClientUpdated(grants=("authorization_code",), scopes=fewer, **rights))
    none = await refresh(world, party, second.body["refresh_token"])
    assert none.error == (400, "unauthorized_client", "grant_not_allowed")


async def test_withdrawn_consent_is_told_by_its_own_reason(world: World) -> None:
    """Also where the grant itself was not revoked, as when it was given at that very moment."""
    party, who = await app(world), await person(world.core)
    tokens = await first_tokens(world, party, who)
    await withdraw(world.core, who, party)
    assert (await refresh(world, party, tokens["refresh_token"])).error == (400, "invalid_grant", "consent_withdrawn")


async def test_forged_token_ends_nothing(world: World) -> None:
    """Anybody knows the grant's id from a JWT and can compute a checksum: the audit sees a digest, the grant lives."""
    party, tokens = await started(world)
    forged = new_handle(REFRESH_TOKEN, tokens["grant_id"])
    answer = await refresh(world, party, forged)
    assert answer.error == (400, "invalid_grant", "refresh_token_unknown")
    assert world.core.digester.digest(forged) == answer.event["token_digest"]
    unknown = await refresh(world, party, new_handle(REFRESH_TOKEN, new_stream()))
    assert unknown.error == (400, "invalid_grant", "refresh_token_unknown")
    assert (await refresh(world, party, tokens["refresh_token"])).status == 200


async def test_refresh_token_must_be_given(world: World) -> None:
    """A request without one is malformed."""
    party, _ = await started(world)
    assert (await refresh(world, party, "")).error == (400, "invalid_request", "missing_parameter")

"""Introspection and revocation of the tokens that people gave."""

from __future__ import annotations

from uuid import UUID

import pytest
from msgspec.structs import replace

from projections.grants import Grant
from schema.events import RoleGranted, TokenRefreshed
from schema.streams import account_stream
from tests.endpoints.granting import Later, active, app, first_tokens, granted, person, redeem, refresh, revoke
from tests.endpoints.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_introspection_tells_how_the_person_signed_in(world: World) -> None:
    """And the roles that they have now, rather than when the token was made."""
    party, who = await app(world), await person(world.core, "auditor")
    token = (await first_tokens(world, party, who))["access_token"]
    said = (await world.introspect(token)).body
    assert (who.subject, "2fa", ["auditor"]) == (said["sub"], said["acr"], said["roles"])
    assert said["iat"] - 60 <= said["auth_time"] <= said["iat"] - 30
    await world.append(account_stream(who.name), 2, RoleGranted(subject=who.subject, role="admin"))
    assert (await world.introspect(token)).body["roles"] == ["admin", "auditor"]


async def test_what_does_not_apply_is_left_out(world: World) -> None:
    """A person without roles has none, and a client that acts for itself did not sign in."""
    party, who = await app(world), await person(world.core)
    token = (await first_tokens(world, party, who))["access_token"]
    assert "roles" not in (await world.introspect(token)).body
    own = (await world.introspect(await world.issue(world.service))).body
    assert set() == {"roles", "acr", "auth_time"} & own.keys()


async def test_refresh_token_is_nothing_to_an_api(world: World) -> None:
    """It is between its client and this server: an API hears of it what it hears of any text."""
    party, who = await app(world), await person(world.core)
    token = (await first_tokens(world, party, who))["refresh_token"]
    answer = await world.introspect(token)
    assert (answer.body, answer.event["reason"]) == ({"active": False}, "refresh_token_presented")
    assert world.core.digester.digest(token) == answer.event["token_digest"]


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_access_token_is_revoked_alone(world: World, token_format: str) -> None:
    """Its siblings and the refresh token live on (RFC 7009 section 2.1)."""
    party, who = await app(world, token_format=token_format), await person(world.core)
    first = await first_tokens(world, party, who)
    second = (await refresh(world, party, first["refresh_token"])).body
    answer = await revoke(world, party, first["access_token"])
    assert [event.type for event in answer.events] == ["token.revoked"]
    assert [await active(world, each["access_token"]) for each in (first, second)] == [False, True]
    assert (await refresh(world, party, second["refresh_token"])).status == 200


@pytest.mark.parametrize("which", [0, 1, 2, 3])
async def test_refresh_token_takes_its_grant_along(world: World, which: int) -> None:
    """Present, the one before, or one of long ago: its owner has ended what hangs on it."""
    party, who = await app(world), await person(world.core)
    had = [await first_tokens(world, party, who)]
    for _ in range(3):
        had.append((await refresh(world, party, had[-1]["refresh_token"])).body)
    answer = await revoke(world, party, had[which]["refresh_token"])
    assert [event.type for event in answer.events] == ["grant.revoked"]
    assert {"client_id": party.client_id, "reason": "client_request"} == answer.event
    assert [await active(world, each["access_token"]) for each in had] == [False] * 4
    again = await revoke(world, party, had[which]["refresh_token"])
    assert (again.status, again.event["reason"]) == (200, "token_revoked")


async def test_expired_refresh_token_takes_its_grant_along(world: World, later: Later) -> None:
    """Access tokens of it may be alive when its own time is over."""
    party, who = await app(world), await person(world.core)
    tokens = await first_tokens(world, party, who)
    later(world.core.settings.refresh_token_lifetime)
    assert [event.type for event in (await revoke(world, party, tokens["refresh_token"])).events] == ["grant.revoked"]
    assert not await active(world, tokens["access_token"])


async def test_another_clients_refresh_token_is_not_revoked(world: World) -> None:
    """Nor an old one; the grant lives on."""
    party, other, who = await app(world), await app(world), await person(world.core)
    first = await first_tokens(world, party, who)
    second = (await refresh(world, party, first["refresh_token"])).body
    for tokens in (first, second):
        answer = await revoke(world, other, tokens["refresh_token"])
        assert answer.error == (400, "invalid_grant", "token_of_other_client")
    assert await active(world, second["access_token"])
    assert (await refresh(world, party, second["refresh_token"])).status == 200


async def test_what_is_no_token_is_not_revoked(world: World) -> None:
    """A code, a refresh token cut off or forged: 200, as of any text, and the grant lives on."""
    party, who = await app(world), await person(world.core)
    code = await granted(world.core, party, who)
    told = await revoke(world, party, code.text)
    assert (told.status, told.event["reason"]) == (200, "token_unknown")
    tokens = (await redeem(world, party, code)).body
    cut = await revoke(world, party, tokens["refresh_token"][:-1])
    assert (cut.status, cut.event["reason"]) == (200, "token_malformed")
    other = await first_tokens(world, party, who, ask=False)
    forged = other["refresh_token"][:29] + tokens["refresh_token"][29:]
    assert (await revoke(world, party, forged)).event["reason"] in {"token_malformed", "token_unknown"}
    assert (await refresh(world, party, tokens["refresh_token"])).status == 200


async def test_public_client_revokes_its_refresh_token(world: World) -> None:
    """It can name itself alone, and that is enough for what ends rights."""
    party, who = await app(world, auth_method="none"), await person(world.core)
    tokens = await first_tokens(world, party, who)
    assert [event.type for event in (await revoke(world, party, tokens["refresh_token"])).events] == ["grant.revoked"]
    assert not await active(world, tokens["access_token"])


async def test_access_tokens_that_were_forgotten_have_expired(world: World, later: Later) -> None:
    """A grant forgets those that expired before its last refresh: to revoke one is to revoke an expired one."""
    party, who = await app(world, access_token_lifetime=1), await person(world.core)
    tokens = await first_tokens(world, party, who)
    later(5)
    answer = await refresh(world, party, tokens["refresh_token"])
    assert answer.events[0].type == TokenRefreshed.TYPE
    told = await revoke(world, party, tokens["access_token"])
    assert (told.status, told.event["reason"]) == (200, "token_expired")


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_token_that_another_worker_issued_a_moment_ago_is_active(world: World, token_format: str) -> None:
    """A worker that knows the grant as it was before the token asks Postgres, rather than call it unknown."""
    party, who = await app(world, token_format=token_format), await person(world.core)
    first = await first_tokens(world, party, who)
    second = (await refresh(world, party, first["refresh_token"])).body
    _forget_the_last_event(world, first["grant_id"])
    assert (await world.introspect(second["access_token"])).body["active"] is True


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_what_is_folded_while_postgres_is_asked_counts(
    world: World, monkeypatch: pytest.MonkeyPatch, token_format: str
) -> None:
    """A revocation that is answered while a worker reads what it missed is not hidden by what it read (promise 4)."""
    party, who = await app(world, token_format=token_format), await person(world.core)
    first = await first_tokens(world, party, who)
    second = (await refresh(world, party, first["refresh_token"])).body
    newest = world.core.state.grants.get(first["grant_id"])
    assert newest is not None
    _forget_the_last_event(world, first["grant_id"])
    reload = world.core.grants.reload

    async def overtaken(stream: UUID) -> Grant:
        read = await reload(stream)
        monkeypatch.undo()  # the revocation reads as well
        world.core.state.grants._entries[stream] = newest
        await revoke(world, party, second["refresh_token"])
        return read

    monkeypatch.setattr(world.core.grants, "reload", overtaken)
    found = await world.core.tokens.find(second["access_token"])
    assert found.grant.revoked


def _forget_the_last_event(world: World, grant_id: UUID) -> None:
    """Let the worker know a grant as its feed had it a moment ago: a code redeemed, no refresh yet."""
    entries, grant = world.core.state.grants._entries, world.core.state.grants.get(grant_id)
    assert grant is not None
    entries[grant_id] = replace(grant, version=grant.version - 1, last_number=1, tokens={1: grant.tokens[1]})

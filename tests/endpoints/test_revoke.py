from __future__ import annotations

import asyncio
import time
from uuid import UUID

import pytest

from schema.events import ClientUpdated, GrantRevoked, TokenIssued
from schema.streams import client_stream, new_stream
from service.tokens.jwt import Claims
from tests.endpoints.world import REVOKE, USERS, World

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "unsupported"])
async def test_own_token_is_revoked(world: World, token_format: str, hint: str | None) -> None:
    """A client ends its own token; a hint that does not fit is ignored (RFC 7009 section 2.1)."""
    party = await world.worker(token_format=token_format)
    token = await world.issue(party)
    answer = await world.revoke(token, party, **({} if hint is None else {"token_type_hint": hint}))
    assert (answer.status, answer.content) == (200, b"{}")
    assert [event.type for event in answer.events] == ["token.revoked"]
    assert {"number": 1, "client_id": party.client_id, "reason": "client_request"} == answer.event
    assert (await world.introspect(token)).body == {"active": False}


async def test_other_tokens_of_the_client_live_on(world: World) -> None:
    """A revocation ends one grant and no other."""
    first, second = await world.issue(world.service), await world.issue(world.service)
    await world.revoke(first)
    assert (await world.introspect(second)).body["active"] is True


async def test_token_of_another_client_is_refused_and_lives_on(world: World) -> None:
    """Nobody revokes what was issued to another (RFC 7009 section 2.1)."""
    token = await world.issue(world.service)
    answer = await world.revoke(token, world.other)
    assert answer.error == (400, "invalid_grant", "token_of_other_client")
    assert answer.event["client_id"] == world.other.client_id
    assert answer.event["token_id"].endswith(".1")
    assert (await world.introspect(token)).body["active"] is True


@pytest.mark.parametrize(
    ("token", "reason"), [("nothing", "token_unknown"), ("a.b.c", "token_unknown"), ("tly_at_x", "token_malformed")]
)
async def test_unknown_token_is_answered_200(world: World, token: str, reason: str) -> None:
    """There is nothing to revoke, which is what the caller wanted (RFC 7009 section 2.2); the audit has it."""
    answer = await world.revoke(token)
    assert (200, b"{}", reason) == (answer.status, answer.content, answer.event["reason"])


async def test_second_revocation_is_answered_200(world: World) -> None:
    """To revoke twice is no error; the second one is told apart in the audit."""
    token = await world.issue(world.service)
    first, second = await world.revoke(token), await world.revoke(token)
    assert ((first.status, first.content), (second.status, second.content)) == ((200, b"{}"), (200, b"{}"))
    assert second.event["reason"] == "token_revoked"


async def test_expired_token_is_answered_200(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that ended by itself needs no revocation."""
    party = await world.worker(access_token_lifetime=60)
    token = await world.issue(party)
    end = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: end)
    answer = await world.revoke(token, party)
    assert (answer.status, answer.event["reason"]) == (200, "token_expired")


async def test_revocations_at_once_have_one_event_of_revocation(world: World) -> None:
    """Ten that revoke one token at once are all answered 200, and it is revoked once."""
    token = await world.issue(world.service)
    before = await world.core.journal.head()
    requests = [world.http.post(REVOKE, data={"token": token}, headers=world.service.basic) for _ in range(10)]
    statuses = [answer.status_code for answer in await asyncio.gather(*requests)]
    types = [event.type for event in await world.core.journal.read(before, 100)]
    assert statuses == [200] * 10
    assert sorted(types) == ["access.rejected"] * 9 + ["token.revoked"]


async def test_public_client_revokes_its_own_token(world: World) -> None:
    """A client without a secret names itself, and ends only what is its own."""
    party = await world.worker()
    token = await world.issue(party)
    stream = client_stream(party.client_id)
    await world.append(stream, 1, ClientUpdated(client_id=party.client_id, auth_method="none"))
    stranger = await world.call(REVOKE, {"token": token, "client_id": world.public.client_id})
    assert stranger.error == (400, "invalid_grant", "token_of_other_client")
    assert (await world.call(REVOKE, {"token": token, "client_id": party.client_id})).status == 200
    assert (await world.introspect(token)).body == {"active": False}


async def test_revoked_grant_ends_its_token(world: World) -> None:
    """A grant that was revoked as a whole leaves no token active, and nothing to revoke."""
    token = await world.issue(world.service)
    grant_id = (await world.introspect(token)).body["grant_id"]
    await world.append(UUID(grant_id), 1, GrantRevoked(client_id=world.service.client_id, reason="operator"))
    assert (await world.introspect(token)).event["reason"] == "token_revoked"
    assert (await world.revoke(token)).event["reason"] == "token_revoked"


async def test_unauthenticated_caller_is_refused(world: World) -> None:
    """Only an authenticated client revokes; a confidential one cannot just name itself."""
    token = await world.issue(world.service)
    nobody = await world.call(REVOKE, {"token": token})
    named = await world.call(REVOKE, {"token": token, "client_id": world.service.client_id})
    assert nobody.error == (401, "invalid_client", "no_client_authentication")
    assert named.error == (401, "invalid_client", "wrong_auth_method")
    assert (await world.introspect(token)).body["active"] is True


async def test_token_must_be_given(world: World) -> None:
    """A request without a token is malformed."""
    answer = await world.call(REVOKE, {}, headers=world.service.basic)
    assert answer.error == (400, "invalid_request", "missing_parameter")


async def test_token_number_that_was_never_issued_is_nothing(world: World) -> None:
    """A grant has no token beyond its last one."""
    grant_id = new_stream()
    event = TokenIssued(
        number=1,
        client_id=world.service.client_id,
        subject="s",
        audience=USERS,
        scope="read:users",
        issued_at=1,
        expires_at=2,
        grant_type="client_credentials",
        auth_method="client_secret_basic",
        format="jwt",
    )
    await world.append(grant_id, 0, event)
    claims = Claims(
        iss=world.core.issuer,
        sub="s",
        aud=USERS,
        exp=2,
        iat=1,
        jti=f"{grant_id}.2",
        client_id=world.service.client_id,
        scope="read:users",
        grant_id=str(grant_id),
    )
    answer = await world.revoke((await world.core.ring.signer()).sign(claims))
    assert (answer.status, answer.event["reason"]) == (200, "token_unknown")

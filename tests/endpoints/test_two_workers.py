"""Two workers on one database: what one has answered, the other knows (promise 4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from schema.envelope import Context
from service.bootstrap import open_worker
from service.keys.manage import KeyManager
from service.keys.master import load_keys
from service.keys.vault import Vault
from service.settings import Settings
from tests.endpoints.world import (
    INTROSPECT,
    REVOKE,
    TOKEN,
    USERS,
    World,
    assertion_claims,
    assertion_form,
    client_of_app,
    fresh_party,
    signed,
)

GRANT = {"grant_type": "client_credentials"}
INACTIVE = {"active": False}


class Two(NamedTuple):
    """Two worlds of the same parties, one a worker."""

    one: World
    two: World


@pytest.fixture
async def workers(fresh: World, settings: Settings) -> AsyncIterator[Two]:
    """A second worker beside the first."""
    async with open_worker(settings) as core, client_of_app(core) as http:
        second = World(core, http)
        second.service, second.other, second.api = fresh.service, fresh.other, fresh.api
        yield Two(fresh, second)


async def test_revocation_is_final_at_every_worker(workers: Two) -> None:
    """Right after one worker answered a revocation, no other says active, though it had said so just before."""
    one, two = workers
    for _ in range(20):
        token = await one.issue(one.service)
        assert (await two.introspect(token)).body["active"] is True
        assert (await one.revoke(token)).status == 200
        assert (await two.introspect(token)).body == INACTIVE


async def test_revocation_is_final_while_the_other_worker_is_asked_all_the_time(workers: Two) -> None:
    """Under a stream of introspections none that began after the answer says active."""
    one, two = workers
    token = await one.issue(one.service)
    answered = asyncio.Event()
    wrong: list[bytes] = []

    async def ask() -> None:
        while True:
            began_after = answered.is_set()
            response = await two.http.post(INTROSPECT, data={"token": token}, headers=two.api.basic)
            if began_after:
                wrong.extend([response.content] if response.json() != INACTIVE else [])
                return
            await asyncio.sleep(0)  # as a network would: an answer from memory never gives the loop away

    asking = [asyncio.create_task(ask()) for _ in range(4)]
    await asyncio.sleep(0.05)
    assert (await one.http.post(REVOKE, data={"token": token}, headers=one.service.basic)).status_code == 200
    answered.set()
    await asyncio.gather(*asking)
    assert wrong == []


async def test_second_revocation_at_another_worker_is_final_too(workers: Two) -> None:
    """Who revokes at two workers at once may rely on either answer."""
    one, two = workers
    for _ in range(5):
        token = await one.issue(one.service)
        first = asyncio.create_task(one.http.post(REVOKE, data={"token": token}, headers=one.service.basic))
        second = await two.http.post(REVOKE, data={"token": token}, headers=two.service.basic)
        assert second.status_code == 200
        for world in workers:
            answer = await world.http.post(INTROSPECT, data={"token": token}, headers=world.api.basic)
            assert answer.json() == INACTIVE
        await first


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_token_is_found_after_a_restart(workers: Two, settings: Settings, token_format: str) -> None:
    """A worker that starts later knows every token, and every revocation."""
    one, _ = workers
    party = await one.worker(token_format=token_format)
    alive, ended = await one.issue(party), await one.issue(party)
    await one.revoke(ended, party)
    async with open_worker(settings) as core, client_of_app(core) as http:
        later = World(core, http)
        later.api = one.api
        assert (await later.introspect(alive)).body["active"] is True
        assert (await later.introspect(ended)).body == INACTIVE


async def test_grants_that_left_the_cache_are_read_again(workers: Two, settings: Settings) -> None:
    """A worker whose cache is full still tells live tokens from revoked ones."""
    one, _ = workers
    small = msgspec.structs.replace(settings, grant_cache_limit=2)
    async with open_worker(small) as core, client_of_app(core) as http:
        forgetful = World(core, http)
        forgetful.api = one.api
        tokens = [await one.issue(one.service) for _ in range(6)]
        for token in tokens:
            assert (await forgetful.introspect(token)).body["active"] is True
        for token in tokens[:3]:
            await one.revoke(token)
        active = [(await forgetful.introspect(token)).body["active"] for token in tokens]
        assert active == [False] * 3 + [True] * 3
        assert len(core.state.grants) <= 2


async def test_revocation_that_arrives_while_the_worker_catches_up_is_seen(
    workers: Two, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A grant that leaves the cache between finding it and deciding is looked at again."""
    one, _ = workers
    small = msgspec.structs.replace(settings, grant_cache_limit=2)
    async with open_worker(small) as core, client_of_app(core) as http:
        forgetful = World(core, http)
        forgetful.api = one.api
        token = await one.issue(one.service)
        find, found = core.tokens.find, asyncio.Event()

        async def find_then_fall_behind(text: str) -> object:
            result = await find(text)
            if not found.is_set():
                found.set()
                for _ in range(4):
                    await one.issue(one.service)
                await one.revoke(token)
                core.follower._lease_until = 0.0
            return result

        monkeypatch.setattr(core.tokens, "find", find_then_fall_behind)
        answer = await http.post(INTROSPECT, data={"token": token}, headers=one.api.basic)
        assert answer.json() == INACTIVE


async def test_assertion_is_used_once_across_workers(workers: Two) -> None:
    """A jti that one worker has seen is refused by the other, at every endpoint."""
    one, two = workers
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    party = fresh_party()._replace(secret="")
    rights = {"grants": ("client_credentials",), "resources": (USERS,), "scopes": ("read:users",)}
    await one.register(party, auth_method="private_key_jwt", jwks=(jwk,), introspects=(USERS,), **rights)
    await one.core.follower.settled(one.core.state.position)
    proof = assertion_form(signed(assertion_claims(party.client_id), key))
    assert (await one.call(TOKEN, GRANT | proof)).status == 200
    for path in (TOKEN, INTROSPECT, REVOKE):
        answer = await two.call(path, GRANT | proof | {"token": "x"})
        assert answer.error == (401, "invalid_client", "assertion_replayed")


async def test_assertion_at_both_workers_at_once_is_used_once(workers: Two) -> None:
    """Of two that use one assertion at the same moment, one is served."""
    one, _ = workers
    key = ec.generate_private_key(ec.SECP256R1())
    party = fresh_party()._replace(secret="")
    rights = {"grants": ("client_credentials",), "resources": (USERS,), "scopes": ("read:users",)}
    jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    await one.register(party, auth_method="private_key_jwt", jwks=(jwk,), **rights)
    await one.core.follower.settled(one.core.state.position)
    for _ in range(5):
        form = GRANT | assertion_form(signed(assertion_claims(party.client_id), key))
        answers = await asyncio.gather(*(world.http.post(TOKEN, data=form) for world in workers for _ in range(3)))
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]


async def test_disabled_client_is_refused_by_the_other_worker(workers: Two) -> None:
    """A client that was disabled elsewhere has lost its tokens and its right to ask within the staleness bound."""
    one, two = workers
    token = await one.issue(one.service)
    assert (await two.introspect(token)).body["active"] is True
    await one.disable(one.service)
    await one.core.follower.settled(one.core.state.position)
    assert (await two.introspect(token)).body == INACTIVE
    assert (await two.call(TOKEN, GRANT, headers=two.service.basic)).status == 401


async def test_key_that_was_retired_takes_its_tokens_along_everywhere(workers: Two, settings: Settings) -> None:
    """Once a key is retired, what it signed is inactive at each worker, even where it had been verified before."""
    one, two = workers
    token = await one.issue(one.service)
    for world in workers:
        assert (await world.introspect(token)).body["active"] is True
    keys = KeyManager(one.core.journal, Vault(one.core.journal, load_keys(settings).wrapping), 900)
    kid = (await one.core.ring.signer()).kid
    await keys.rotate("ES256", Context(), now=True)
    for world in workers:
        assert (await world.introspect(token)).body["active"] is True
    retired = await keys.retire(kid, Context())
    await one.core.follower.settled(retired.last)
    for world in workers:
        assert (await world.introspect(token)).body == INACTIVE
    assert (await two.introspect(await one.issue(one.service))).body["active"] is True

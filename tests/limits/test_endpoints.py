"""Who is over a limit is told so, and what a flood leaves in the journal."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from service.endpoints.core import Core
from service.http.app import create_app
from service.journal.port import JournalUnavailable
from service.limits.limits import Limits
from service.own_api.scopes import OWN_API, USAGE_READ
from tests.endpoints.world import (
    INTROSPECT,
    REVOKE,
    TOKEN,
    World,
    assertion_claims,
    assertion_form,
    open_world,
    signed,
)

STRANGER, NEIGHBOUR = "203.0.113.9", "203.0.113.10"
SLOW: dict[str, Any] = {
    "source_rate": 0.001, "source_burst": 5, "client_rate": 0.001, "client_burst": 4,
    "refusal_rate": 0.001, "refusal_burst": 3, "throttle_window": 3_600, "throttle_hold": 0.0,
}  # fmt: skip
BAD = {"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "wrong"}


@asynccontextmanager
async def limited(core: Core, **changes: Any) -> AsyncIterator[Core]:
    """The worker with limits."""
    settings = msgspec.structs.replace(core.settings, insecure_http=True, **changes)
    yield core._replace(settings=settings, limits=Limits(settings, core.journal, core.metrics))


@asynccontextmanager
async def caller(core: Core, source: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client at an address."""
    transport = httpx.ASGITransport(create_app(core), client=(source, 1))  # type: ignore[arg-type]  # two spellings
    async with httpx.AsyncClient(transport=transport, base_url="https://auth.example.com") as http:
        yield http


async def journalled(core: Core, after: int = 0) -> Counter[tuple[str, str]]:
    """How many refusals of each reason have an event."""
    events = await core.journal.read(after, 1_000)
    return Counter(
        (event.type, json.loads(event.data)["reason"]) for event in events if event.type == "access.rejected"
    )


async def summary(core: Core) -> list[dict[str, Any]]:
    """The events of windows, which are over as soon as one asks."""
    await core.limits.keep_in_step()
    await core.journal.fetch("UPDATE runtime.throttled SET starts = starts - 2 * seconds")
    await core.limits.tell()
    events = await core.journal.read(0, 1_000)
    return [json.loads(event.data) for event in events if event.type == "access.throttled"]


async def test_a_source_that_proves_nothing_is_held_back(core: Core) -> None:
    """Five wrong secrets are refused, three of them in events of their own; then it is 429, and others are not."""
    async with limited(core, **SLOW) as worker, caller(worker, STRANGER) as http:
        answers = [await http.post(TOKEN, data=BAD) for _ in range(9)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 4
        told = answers[-1]
        assert told.json()["error"] == "too_many_requests"
        assert int(told.headers["retry-after"]) > 900
        assert told.headers["ratelimit-policy"] == '"source";q=5;w=5000'
        assert told.headers["ratelimit"] == f'"source";r=0;t={told.headers["retry-after"]}'
        assert (await http.get("/sign-in")).status_code == 429
        async with caller(worker, NEIGHBOUR) as other:
            assert (await other.post(TOKEN, data=BAD)).status_code == 401
        assert await journalled(worker) == {("access.rejected", "unknown_client"): 4}
        found = {(each["limit"], each["network"]): each for each in await summary(worker)}
    assert {who: each["count"] for who, each in found.items()} == {
        ("source", STRANGER): 5,
        ("source_refusals", STRANGER): 2,
    }
    kinds = [(kind["endpoint"], kind["reason"], kind["status"]) for kind in found["source", STRANGER]["requests"]]
    assert kinds == [("token", "too_many_requests", 429), ("sign_in", "too_many_requests", 429)]
    (kind,) = found["source_refusals", STRANGER]["requests"]
    assert kind == {
        "endpoint": "token", "error": "invalid_client", "reason": "unknown_client", "status": 401, "count": 2,
    }  # fmt: skip


async def test_one_site_of_ipv6_is_one_source(core: Core) -> None:
    """Whoever has one address of a /64 network has all of them."""
    async with limited(core, **SLOW) as worker:
        for last in range(5):
            async with caller(worker, f"2001:db8:1:2::{last}") as http:
                assert (await http.post(TOKEN, data=BAD)).status_code == 401
        async with caller(worker, "2001:db8:1:2:ffff::1") as http:
            assert (await http.post(TOKEN, data=BAD)).status_code == 429
        async with caller(worker, "2001:db8:1:3::1") as http:
            assert (await http.post(TOKEN, data=BAD)).status_code == 401


async def test_this_machine_has_no_limit_of_its_own(core: Core) -> None:
    """Behind a proxy that nobody named, all are this machine: they are not refused for each other."""
    async with limited(core, **SLOW) as worker, caller(worker, "127.0.0.1") as http:
        assert {(await http.post(TOKEN, data=BAD)).status_code for _ in range(20)} == {401}


async def test_good_requests_are_no_burden_on_their_source(core: Core) -> None:
    """A client that proves who it is asks as often as clients may, and introspects as often as it likes."""
    async with limited(core, **SLOW) as worker, open_world(worker) as world, caller(worker, STRANGER) as http:
        token = await _issued(http, world)
        for _ in range(12):
            form = {"token": token}
            assert (await http.post(INTROSPECT, data=form, headers=world.api.basic)).json()["active"] is True
            assert (await http.get("/verify", params=_for_users(), headers=_bearer(token))).status_code == 200
        assert (await http.post(TOKEN, data=BAD)).status_code == 401


async def test_good_clients_are_let_in_whatever_else_comes_from_their_address(core: Core) -> None:
    """At an address that is over its limit, who proves to be a client, or has a good token, is let in; who guesses at a
    client's secret there is told of.
    """
    async with limited(core, **SLOW) as worker, open_world(worker) as world, caller(worker, STRANGER) as http:
        token = await _issued(http, world)
        while (await http.post(TOKEN, data=BAD)).status_code != 429:
            pass
        guess = {"grant_type": "client_credentials", "client_id": world.service.client_id, "client_secret": "wrong"}
        head = await worker.journal.head()
        assert [(await http.post(TOKEN, data=guess)).status_code for _ in range(22)] == [401] * 20 + [429] * 2
        assert await journalled(worker, head) == {("access.rejected", "bad_secret"): 20}
        assert await _issued(http, world)
        assert (await http.post(INTROSPECT, data={"token": token}, headers=world.api.basic)).json()["active"] is True
        assert (await http.post(REVOKE, data={"token": token}, headers=world.service.basic)).status_code == 200
        assert (await http.get("/oauth2/userinfo", headers=_bearer("junk"))).status_code == 429
        assert (await http.post("/oauth2/device_authorization", data={"client_id": "x"})).status_code == 429


async def test_junk_at_a_gateway_does_not_shut_out_its_address(core: Core) -> None:
    """What `/verify` refuses says nothing of who asks it."""
    async with limited(core, **SLOW) as worker, caller(worker, STRANGER) as http:
        for _ in range(20):
            await http.get("/verify", params=_for_users(), headers=_bearer("junk"))
        assert (await http.post(TOKEN, data=BAD)).status_code == 401


async def test_noise_hides_nothing_of_what_has_a_name(core: Core) -> None:
    """However many refusals there were, those about one client or one grant are journalled, the first of each."""
    unlimited = SLOW | {"source_rate": 0.0}
    async with limited(core, **unlimited) as worker, open_world(worker) as world, caller(worker, STRANGER) as http:
        token = await _issued(http, world)
        assert (await http.post(REVOKE, data={"token": token}, headers=world.service.basic)).status_code == 200
        for number in range(60):
            await http.get("/verify", params=_for_users(), headers=_bearer(f"junk-{number}"))
            await http.post(INTROSPECT, data={"token": f"junk-{number}"}, headers=world.api.basic)
        head = await worker.journal.head()
        form = {"grant_type": "client_credentials", "client_id": world.service.client_id, "client_secret": "wrong"}
        for _ in range(30):
            await http.post(TOKEN, data=form)
            await http.get("/verify", params=_for_users(), headers=_bearer(token))
        reasons = {reason: times for (_, reason), times in (await journalled(worker, head)).items()}
        assert reasons == {"bad_secret": 20, "token_not_active": 20}


async def test_what_strangers_are_refused_keeps_no_client_out_of_the_journal(core: Core) -> None:
    """Many sources together have one budget, and those that proved who they are another."""
    async with limited(core, **SLOW) as worker, open_world(worker) as world:
        for number in range(40):
            async with caller(worker, f"198.51.100.{number}") as http:
                await http.post(TOKEN, data=BAD)
        head = await worker.journal.head()
        async with caller(worker, "198.51.100.99") as http:
            await http.post(TOKEN, data=BAD)
            await http.post(INTROSPECT, data={"token": "junk"}, headers=world.api.basic)
        assert sum((await journalled(worker, head)).values()) == 1
        told = {(each["limit"], each["network"]): each["count"] for each in await summary(worker)}
        assert told["refusals", "198.51.100.99"] == 1


async def test_an_assertion_that_was_seen_locks_nobody_out(core: Core) -> None:
    """Who sends a used assertion again is a stranger, and refused as one: the client whose it was goes on."""
    unlimited = SLOW | {"source_rate": 0.0}
    async with limited(core, **unlimited) as worker, open_world(worker) as world, caller(worker, STRANGER) as http:
        key = ec.generate_private_key(ec.SECP256R1())
        jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        party = await world.worker(auth_method="private_key_jwt", jwks=({**jwk, "kid": "k"},))

        def form(assertion: str) -> dict[str, str]:
            return {"grant_type": "client_credentials"} | assertion_form(assertion)

        seen = signed(assertion_claims(party.client_id), key, kid="k")
        assert (await http.post(TOKEN, data=form(seen))).status_code == 200
        assert {(await http.post(TOKEN, data=form(seen))).status_code for _ in range(30)} == {401}
        for status in (200, 200, 200, 429):
            fresh = signed(assertion_claims(party.client_id), key, kid="k")
            assert (await http.post(TOKEN, data=form(fresh))).status_code == status
        told = {
            (each["limit"], each.get("network"), each.get("client_id")): each["count"] for each in await summary(worker)
        }
        assert told == {("source_refusals", STRANGER, None): 7, ("client", None, party.client_id): 1}


async def test_who_reads_the_own_api_is_a_client_like_others(core: Core) -> None:
    """The limit of clients holds for it, too."""
    async with limited(core, **SLOW | {"client_burst": 5}) as worker, open_world(worker) as world:
        party = await world.worker(resources=(OWN_API,), scopes=(USAGE_READ,))
        async with caller(worker, STRANGER) as http:
            answer = await http.post(TOKEN, data={"grant_type": "client_credentials"}, headers=party.basic)
            token = answer.json()["access_token"]
            statuses = [(await http.get("/usage/figures", headers=_bearer(token))).status_code for _ in range(6)]
            assert (set(statuses[:4]), statuses[4:]) == ({200}, [429, 429])


async def test_what_one_source_may_not_ask_costs_the_others_nothing(core: Core) -> None:
    """What a source is refused for itself does not count for all together."""
    few = SLOW | {"source_burst": 1, "global_rate": 0.001, "global_burst": 5}
    async with limited(core, **few) as worker:
        async with caller(worker, STRANGER) as http:
            assert [(await http.get("/sign-in")).status_code for _ in range(9)] == [200] + [429] * 8
        async with caller(worker, NEIGHBOUR) as http:
            assert (await http.get("/sign-in")).status_code == 200


async def test_an_outage_is_held_against_nobody(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be answered (503) does not count."""

    async def away(*_: object) -> None:
        raise JournalUnavailable("away")

    async with limited(core, **SLOW) as worker, caller(worker, STRANGER) as http:
        with monkeypatch.context() as patched:
            patched.setattr(worker.journal, "append", away)
            assert {(await http.post(TOKEN, data=BAD)).status_code for _ in range(3)} == {503}
        assert {(await http.post(TOKEN, data=BAD)).status_code for _ in range(5)} == {401}


async def test_what_goes_wrong_once_ends_no_limit(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault while workers are kept in step is logged, and the next time is as ever."""
    done = asyncio.Event()
    times: list[int] = []

    async def breaks() -> None:
        times.append(1)
        if len(times) > 1:
            done.set()
        raise RuntimeError("broken")

    async with limited(core, **SLOW) as worker:
        monkeypatch.setattr(worker.limits, "keep_in_step", breaks)
        running = asyncio.create_task(worker.limits.run())
        async with asyncio.timeout(60):
            await done.wait()
        running.cancel()


async def test_a_client_is_held_back_by_itself(core: Core) -> None:
    """Four requests, then 429; another client at the same address goes on."""
    async with limited(core, **SLOW) as worker, open_world(worker) as world, caller(worker, STRANGER) as http:
        form = {"grant_type": "client_credentials"}
        statuses = [(await http.post(TOKEN, data=form, headers=world.service.basic)).status_code for _ in range(6)]
        assert statuses == [200] * 4 + [429] * 2
        refused = await http.post(REVOKE, data={"token": "x"}, headers=world.service.basic)
        assert refused.headers["ratelimit-policy"] == '"client";q=4;w=4000'
        assert (await http.post(TOKEN, data=form, headers=world.other.basic)).status_code == 200
        (event,) = await summary(worker)
        assert (event["limit"], event["client_id"], event["count"]) == ("client", world.service.client_id, 3)


async def test_an_api_under_attack_goes_on_and_the_journal_does_not_fill(core: Core) -> None:
    """Junk that an API introspects is answered as ever; three are events of their own, the others are counted."""
    async with limited(core, **SLOW) as worker, open_world(worker) as world, caller(worker, STRANGER) as http:
        head = await worker.journal.head()
        for number in range(10):
            answer = await http.post(INTROSPECT, data={"token": f"junk-{number}"}, headers=world.api.basic)
            assert answer.json() == {"active": False}
        token = await _issued(http, world)
        assert (await http.post(INTROSPECT, data={"token": token}, headers=world.api.basic)).json()["active"] is True
        assert sum((await journalled(worker, head)).values()) == 3
        (event,) = await summary(worker)
    assert (event["limit"], event["client_id"], event["count"]) == ("client_refusals", world.api.client_id, 7)
    assert {kind["error"] for kind in event["requests"]} == {"inactive_token"}


async def test_a_gateway_is_answered_as_ever(core: Core) -> None:
    """All come through it: `/verify` refuses each for its own token, and the journal does not fill."""
    async with limited(core, **SLOW) as worker, open_world(worker) as world, caller(worker, STRANGER) as http:
        token = await _issued(http, world)
        head = await worker.journal.head()
        for _ in range(20):
            assert (await http.get("/verify", params=_for_users(), headers=_bearer("junk"))).status_code == 401
        assert (await http.get("/verify", params=_for_users(), headers=_bearer(token))).status_code == 200
        assert sum((await journalled(worker, head)).values()) == 3


async def test_a_revocation_that_is_counted_alone_is_as_final(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the limit a token that is no more is answered 200 as ever, once every worker knows."""
    waited: list[int] = []

    async def settled(position: int) -> None:
        waited.append(position)

    monkeypatch.setattr(core.follower, "settled", settled)
    unlimited = SLOW | {"client_rate": 0.0}
    async with limited(core, **unlimited) as worker, open_world(worker) as world, caller(worker, STRANGER) as http:
        token = await _issued(http, world)
        for _ in range(8):
            answer = await http.post(REVOKE, data={"token": token}, headers=world.service.basic)
            assert (answer.status_code, answer.json()) == (200, {})
        assert len(waited) == 8
        assert min(waited) >= waited[0] > 0
        answer = await http.post(INTROSPECT, data={"token": token}, headers=world.api.basic)
        assert answer.json() == {"active": False}


async def test_all_together_are_held_back(core: Core) -> None:
    """The global limit counts every request, whoever sends it; health is never held back."""
    few = {"global_rate": 0.001, "global_burst": 3, "throttle_hold": 0.0}
    async with limited(core, **few) as worker, open_world(worker) as world:
        form = {"grant_type": "client_credentials"}
        statuses = []
        for number in range(5):
            async with caller(worker, f"203.0.113.{number}") as http:
                statuses.append((await http.post(TOKEN, data=form, headers=world.service.basic)).status_code)
                assert (await http.get("/health/live")).status_code == 200
        assert statuses == [200] * 3 + [429] * 2


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
async def test_pages_tell_it_as_a_page(core: Core, accept: str) -> None:
    """A person is told in words, with the time to wait in the header."""
    async with limited(core, **SLOW | {"source_burst": 1}) as worker, caller(worker, STRANGER) as http:
        await http.get("/sign-in", headers={"accept": accept})
        answer = await http.get("/sign-in", headers={"accept": accept})
    assert answer.status_code == 429
    assert "too many requests" in answer.text
    assert int(answer.headers["retry-after"]) > 900


async def _issued(http: httpx.AsyncClient, world: World) -> str:
    form = {"grant_type": "client_credentials", "resource": "https://users.example.com"}
    token: str = (await http.post(TOKEN, data=form, headers=world.service.basic)).json()["access_token"]
    return token


def _for_users() -> dict[str, str]:
    return {"audience": "https://users.example.com"}


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}

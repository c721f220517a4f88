"""Who is over a limit is told so, and what a flood leaves in the journal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest

from service.endpoints.core import Core
from service.http.app import create_app
from service.limits.limits import Limits
from tests.endpoints.world import INTROSPECT, REVOKE, TOKEN, World, open_world

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

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import httpx
import msgspec
import pytest

from schema.events import ClientDisabled
from schema.streams import client_stream
from service.audit import event_stream, live
from service.bootstrap import open_worker
from service.journal.port import Append
from service.own_api.scopes import USAGE_READ
from service.settings import Settings
from tests.audit.world import EVENTS, STREAM, Served, messages, noise, rare, served, streaming, told_up_to


async def positions_told(response: httpx.Response, position: int) -> list[int]:
    """The positions that a stream tells of, up to one."""
    return [message.id for message in await told_up_to(response, position)]


async def until_ended(response: httpx.Response) -> None:
    """Return when a stream has ended."""
    async with asyncio.timeout(60):
        async for _ in messages(response):
            pass


async def reads(worker: Served) -> list[dict[str, Any]]:
    """What `audit.read` events say."""
    recorded = await worker.core.journal.read(0, 10_000)
    return [json.loads(event.data) for event in recorded if event.type == "audit.read"]


async def test_stream_tells_what_was_and_what_comes(worker: Served) -> None:
    """From the first event on, each once and in order: the same objects that pages have, one a message."""
    token = await worker.token()
    async with streaming(worker.http, token) as response:
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["cache-control"] == "no-store"
        reader = asyncio.create_task(told_up_to(response, 60))
        while (last := await worker.core.journal.head()) < 60:
            await worker.append(noise(last))
        told = await reader
    assert list(range(1, 61)) == [message.id for message in told]
    page = (await worker.page(token, limit=60)).json()
    assert page["events"] == [message.data for message in told]
    assert [event["type"] for event in page["events"]] == [message.event for message in told]


async def test_reading_a_stream_is_one_event(worker: Served) -> None:
    """At its start, with what it begins after; it is told on the stream itself."""
    party = await worker.auditor()
    token = await worker.world.issue(party, scope="audit:read")
    head = await worker.core.journal.head()
    async with streaming(worker.http, token, after="head", client=party.client_id) as response:
        (told,) = await told_up_to(response, head + 1)
    expected = {
        "client_id": party.client_id,
        "subject": party.client_id,
        "via": "stream",
        "after": head,
        "filters": {"client": party.client_id},
    }
    assert (told.id, told.event) == (head + 1, "audit.read")
    assert told.data is not None
    assert expected == told.data["data"]


async def test_last_event_id_wins(worker: Served) -> None:
    """A browser sends again the address that it began with, and says by the header how far it came."""
    token = await worker.token()
    head = await worker.core.journal.head()
    async with streaming(worker.http, token, {"last-event-id": str(head - 2)}, after=1) as response:
        assert list(range(head - 1, head + 1)) == await positions_told(response, head)
    assert [head - 2] == [read["after"] for read in await reads(worker)]


@pytest.mark.parametrize("sent", ["x", "-1", "9" * 30, "99999999"])
async def test_foreign_last_event_id_is_refused(worker: Served, sent: str) -> None:
    """Who was told what this journal never said is told so, and does not wait for ever."""
    response = await worker.page(await worker.token(), STREAM | {"last-event-id": sent})
    assert (response.status_code, response.json()["parameter"]) == (400, "Last-Event-ID")


@pytest.mark.parametrize("name", ["limit", "until"])
async def test_what_is_for_pages_is_refused(worker: Served, name: str) -> None:
    """A stream has no end."""
    response = await worker.page(await worker.token(), STREAM, **{name: "5"})
    assert (response.status_code, response.json()["parameter"]) == (400, name)


async def test_scope_of_usage_opens_no_stream(worker: Served) -> None:
    """Nor does no token."""
    assert (await worker.page(await worker.token(USAGE_READ), STREAM)).status_code == 403
    assert (await worker.http.get(EVENTS, headers=STREAM)).headers["www-authenticate"] == 'Bearer realm="tallystick"'


async def test_whoever_wants_json_gets_a_page(worker: Served) -> None:
    """An event stream is for who names it, and does not like JSON better."""
    token = await worker.token()
    pages = ("", "*/*", "application/json", "text/event-stream;q=0", "text/event-stream;q=0.5, application/json")
    for accept in (*pages, "text/event-stream;q=x"):
        assert (await worker.page(token, {"accept": accept})).headers["content-type"] == "application/json"
    for accept in ("Text/Event-Stream", "application/json;q=0.5, text/event-stream", "text/event-stream;q=0.1"):
        async with streaming(worker.http, token, {"accept": accept}) as response:
            assert response.headers["content-type"] == "text/event-stream"


async def test_heartbeats_carry_a_reader_past_what_did_not_match(worker: Served) -> None:
    """A sign of life has the position that was looked through, and nothing that a browser would dispatch."""
    token = await worker.token()
    async with streaming(worker.http, token, type="anomaly.acknowledged") as response:
        head = (await worker.append(rare("a"), *map(noise, range(20)))).last
        told = [message async for message in _until(response, head)]
    assert [head - 20] == [message.id for message in told if message.data]
    assert (told[-1].id, told[-1].data) == (head, None)
    async with streaming(
        worker.http, token, {"last-event-id": str(told[-1].id)}, type="anomaly.acknowledged"
    ) as response:
        await worker.append(rare("b"))
        (resumed,) = await told_up_to(response, await worker.core.journal.head())
    assert resumed.data is not None
    assert resumed.data["data"]["rule"] == "b"


async def _until(response: httpx.Response, position: int) -> Any:
    async with asyncio.timeout(60):
        async for message in messages(response):
            yield message
            if message.id >= position:
                return


async def test_reader_that_disconnects_at_random_misses_and_repeats_nothing(
    worker: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While events come, by either worker, however often it begins again: it is told exactly the journal's."""
    monkeypatch.setattr(live, "_EVENTS", 40)  # so that readers fall behind what is held in memory
    monkeypatch.setattr(event_stream, "_PAGE", 7)
    chance, token, told = random.Random(5), await worker.token(), list[int]()
    async with (
        open_worker(worker.core.settings) as core,
        served(core) as second,
        streaming(worker.http, token, type="key.retired"),  # so that both workers follow the journal all the time
        streaming(second.http, token, type="key.retired"),
    ):
        load = asyncio.create_task(_load(worker, 600))
        while not load.done() or told[-1] < load.result():
            after = {"last-event-id": str(told[-1])} if told else {}
            async with streaming(chance.choice([worker, second]).http, token, after) as response:
                stop_at = len(told) + chance.randrange(1, 60)
                async for message in messages(response):
                    if message.data is not None:
                        told.append(message.id)
                    if len(told) >= stop_at or (load.done() and message.id >= load.result()):
                        break
    assert list(range(1, told[-1] + 1)) == told


async def _load(worker: Served, count: int) -> int:
    last = 0
    while last < count:
        batch = map(noise, range(random.Random(last).randrange(1, 30)))
        last = (await worker.append(*batch)).last
        await asyncio.sleep(0.01)
    return last


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_revoked_token_ends_the_stream(worker: Served, token_format: str) -> None:
    """Nothing is told after a revocation was answered; a stream of another token goes on (promise 4)."""
    token = await worker.token(token_format=token_format)
    other = await worker.token()
    async with streaming(worker.http, token) as response, streaming(worker.http, other) as going_on:
        lines = response.aiter_raw()
        await anext(lines)
        await worker.revoke(token)
        last = (await worker.append(rare("told-to-nobody"))).last
        async with asyncio.timeout(60):
            text = b"".join([line async for line in lines])
        assert b"told-to-nobody" not in text
        assert last in await positions_told(going_on, last)
    assert (await worker.page(token)).status_code == 401


async def test_stream_ends_with_its_token_and_its_client(worker: Served) -> None:
    """By its lifetime, and when the client is disabled."""
    token = await worker.token(access_token_lifetime=4)
    async with streaming(worker.http, token) as response:
        await until_ended(response)
    party = await worker.auditor()
    token = await worker.world.issue(party, scope="audit:read")
    async with streaming(worker.http, token) as response:
        stream, event = client_stream(party.client_id), ClientDisabled(client_id=party.client_id)
        await worker.core.journal.append(Append(stream, 1, (event,)))
        await until_ended(response)


async def test_streams_of_a_worker_are_limited(settings: Settings) -> None:
    """Beyond the limit 503 with Retry-After, journalled; a place is free again when a reader has gone."""
    few = msgspec.structs.replace(settings, audit_streams_limit=1)
    async with open_worker(few) as core, served(core) as worker:
        await worker.world.populate()
        token = await worker.token()
        async with streaming(worker.http, token):
            refused = await worker.page(token, STREAM)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            (last,) = await core.journal.read(await core.journal.head() - 1, 1)
            assert json.loads(last.data)["reason"] == "too_many_streams"
            assert (await worker.page(token)).status_code == 200
        async with asyncio.timeout(60):
            while (await _status(worker, token)) != 200:
                await asyncio.sleep(0.05)


async def test_one_client_has_half_of_the_streams_at_most(settings: Settings) -> None:
    """Who may read the record cannot keep all others from its streams."""
    few = msgspec.structs.replace(settings, audit_streams_limit=4)
    async with open_worker(few) as core, served(core) as worker:
        await worker.world.populate()
        token, other = await worker.token(), await worker.token()
        async with streaming(worker.http, token), streaming(worker.http, token):
            assert (await worker.page(token, STREAM)).status_code == 503
            assert await _status(worker, other) == 200
        async with asyncio.timeout(60):
            while (await _status(worker, token)) != 200:
                await asyncio.sleep(0.05)


async def _status(worker: Served, token: str) -> int:
    async with streaming(worker.http, token) as response:
        return response.status_code


async def test_streams_end_at_once_when_the_worker_stops(settings: Settings) -> None:
    """Cleanly: the reader goes on elsewhere."""
    async with open_worker(settings) as core, served(core) as worker:
        await worker.world.populate()
        token = await worker.token()
        async with streaming(worker.http, token, after="head") as response:
            core.audit.close()
            await until_ended(response)

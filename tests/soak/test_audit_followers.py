"""Who follows the record, and is killed and begins again at random, ends with exactly the positions of the journal."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from service.bootstrap import open_journal, open_worker
from service.endpoints.core import Core
from service.settings import Settings
from tests.audit.world import messages, served, streaming
from tests.soak.following import Taken, followed

EVENTS = 50_000


async def follow_by_sse(http: httpx.AsyncClient, token: str, taken: Taken) -> None:
    """One life of a reader of the stream."""
    seen = {"last-event-id": str(taken.last)} if taken.positions else {}
    async with streaming(http, token, seen) as response:
        async for message in messages(response):
            if message.data is not None:
                assert message.id == message.data["position"]
                taken.positions.append(message.id)


async def assert_sse_follows(settings: Settings, core: Core, count: int, life: tuple[float, float]) -> None:
    """Three readers of two workers: what each took in is the journal, each position once and in order."""
    async with open_worker(settings) as other, served(core) as one, served(other) as two, open_journal(settings) as own:
        await one.world.populate()
        token = await one.token(access_token_lifetime=3_600)
        workers = (one.http, two.http)
        lives = iter(range(1_000_000))

        async def follow(taken: Taken) -> None:
            await follow_by_sse(workers[next(lives) % 2], token, taken)

        taken, head = await followed(own, follow, count, seed=7, life=life)
        for reader in taken.values():
            assert list(range(1, head + 1)) == reader.up_to(head)
        assert head >= count
        assert next(lives) > len(taken)


async def test_sse_reader_ends_with_the_journal(settings: Settings, core: Core) -> None:
    """The same as below, in short."""
    await assert_sse_follows(settings, core, 2_000, (0.1, 0.4))


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_sse_reader_ends_with_the_journal_of_a_long_load(settings: Settings, core: Core) -> None:
    """A load of 50,000 events."""
    async with asyncio.timeout(500):
        await assert_sse_follows(settings, core, EVENTS, (0.3, 2.0))

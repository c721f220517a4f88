"""Webhooks whose receivers and dispatcher are killed at random end with exactly the positions of the journal."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import pytest

from tests.ports import free_port
from tests.servers import Database
from tests.soak.following import Taken, followed
from tests.webhooks.conftest import world
from tests.webhooks.receiver import Received, Receiver, open_receiver
from tests.webhooks.test_faults import sending_process
from tests.webhooks.world import World

__all__ = ["world"]

EVENTS = 50_000
PATIENCE = 2_400.0
"""Seconds: a message costs some milliseconds, and three webhooks are sent each event."""
Sending = Callable[[], AbstractAsyncContextManager[Any]]
Span = tuple[float, float]


class Endpoints:
    """A webhook for each follower, registered when that begins; a life is one of its receiver."""

    def __init__(self, world: World) -> None:
        self.lives = 0
        self.streams: dict[int, str] = {}
        self._world = world
        self._ports: dict[int, int] = {}

    async def follow(self, taken: Taken) -> None:
        """Receive until killed, in the middle of what is sent."""
        port = self._ports.setdefault(id(taken), free_port())
        name = f"siem-{port}"
        if name not in (await self._world.registered()).by_name:
            await asyncio.shield(self._world.register(name, f"http://127.0.0.1:{port}/", types=()))
        async with open_receiver(port) as receiver:
            self.lives += 1
            receiver.answer = partial(self._take, taken, receiver)
            await receiver.closing.wait()

    def _take(self, taken: Taken, receiver: Receiver, received: Received) -> int:
        # What it keeps of a hundred thousand messages would fill the memory.
        receiver.received.clear()
        receiver.taken.clear()
        self.streams[received.position] = received.stream
        taken.positions.append(received.position)
        return 204

    def in_order(self, taken: Taken) -> bool:
        """Whether the events of each stream came in order, leaving out repeats."""
        firsts = list(dict.fromkeys(taken.positions))
        return sorted(firsts, key=self._by_stream) == sorted(sorted(firsts), key=self._by_stream)

    def _by_stream(self, position: int) -> str:
        return self.streams[position]


async def killed_again_and_again(sending: Sending, life: Span) -> None:
    """A dispatcher that never lives long."""
    chance = random.Random(11)
    while True:
        async with sending():
            await asyncio.sleep(chance.uniform(*life))


async def assert_webhooks_follow(
    world: World, sending: Sending, count: int, *, receiver: Span, dispatcher: Span
) -> None:
    """Three webhooks, added before, during and after a load: each one's lives took in the whole journal."""
    endpoints = Endpoints(world)
    killing = asyncio.create_task(killed_again_and_again(sending, dispatcher))
    try:
        everything, head = await followed(
            world.journal, endpoints.follow, count, seed=7, life=receiver, whole=Taken.has_all, patience=PATIENCE
        )
    finally:
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)
    assert head >= count
    assert endpoints.lives > len(everything)
    for taken in everything.values():
        assert taken.has_all(head)
        assert endpoints.in_order(taken)


async def test_webhooks_end_with_the_journal(world: World) -> None:
    """The same as below, in short, with a dispatcher that is stopped instead of killed."""
    sending = partial(world.sending, attempts=100)
    await assert_webhooks_follow(world, sending, 300, receiver=(0.2, 0.6), dispatcher=(0.3, 1.0))


@pytest.mark.soak
@pytest.mark.timeout(3_000)
async def test_webhooks_end_with_the_journal_of_a_long_load(world: World, database: Database) -> None:
    """A load of 50,000 events; the process that sends is killed with -9."""
    sending = partial(sending_process, database)
    await assert_webhooks_follow(world, sending, EVENTS, receiver=(1.0, 6.0), dispatcher=(8.0, 24.0))

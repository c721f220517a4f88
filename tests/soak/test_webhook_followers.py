"""A webhook's receiver that is killed and begins again at random ends with exactly the positions of the journal."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.soak.following import STARTS, load
from tests.webhooks.conftest import world
from tests.webhooks.receiver import Receiver, open_receiver
from tests.webhooks.test_example import free_port
from tests.webhooks.world import World, until

__all__ = ["world"]

EVENTS = 50_000


async def lives(port: int, begun: list[Receiver], chance: random.Random, life: tuple[float, float]) -> None:
    """A receiver that dies again and again, in the middle of what it is sent; each life is noted."""
    while True:
        async with open_receiver(port) as receiver:
            receiver.delay = lambda: chance.random() * 0.005
            begun.append(receiver)
            await asyncio.sleep(chance.uniform(*life))
        await asyncio.sleep(chance.uniform(0.0, 0.3))


async def hurry(world: World) -> None:
    """Time passes quickly: what waits between two attempts does not make the test long."""
    while True:
        world.clock.ahead += 5.0
        await asyncio.sleep(0.1)


async def assert_webhooks_follow(world: World, count: int, life: tuple[float, float]) -> None:
    """Three webhooks, added before, during and after a load: each one's lives together took in the journal."""
    chance = random.Random(7)
    begun: dict[str, list[Receiver]] = {name: [] for name in STARTS}
    ports = {name: free_port() for name in STARTS}
    running = [asyncio.create_task(lives(ports[name], begun[name], chance, life)) for name in STARTS]
    running.append(asyncio.create_task(hurry(world)))
    try:
        async with world.sending(attempts=100):
            for number, name in enumerate(STARTS):
                await world.register(name, f"http://127.0.0.1:{ports[name]}/", types=())
                await load(world.journal, count * (number + 1) // len(STARTS))
            head = await world.journal.head()
            everything = set(range(1, head + 1))
            for name in STARTS:
                await until(lambda name=name: taken(begun[name]) == everything, patience=480)  # type: ignore[misc]  # bound now
    finally:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert head >= count
    assert min(map(len, begun.values())) > 1


def taken(begun: list[Receiver]) -> set[int]:
    """All positions that the lives of one receiver took in."""
    return {position for receiver in begun for position in receiver.positions}


async def test_webhook_receiver_ends_with_the_journal(world: World) -> None:
    """The same as below, in short."""
    await assert_webhooks_follow(world, 300, (0.5, 1.5))


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_webhook_receiver_ends_with_the_journal_of_a_long_load(world: World) -> None:
    """A load of 50,000 events."""
    await assert_webhooks_follow(world, EVENTS, (3.0, 20.0))

"""Whatever is killed, cut off or taken over: every event arrives, in order for each stream."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consumers.webhooks.statements import TRY_LOCK
from service.journal.postgres import connect
from tests.conftest import ISSUER, MASTER_KEY
from tests.journal.benches import owner_session
from tests.journal.proxy import Proxy
from tests.servers import Database
from tests.webhooks.receiver import Received, Receiver
from tests.webhooks.world import World, until

ROLE = """
import asyncio, base64, uvloop
from service.journal.postgres import PostgresJournal
from service.keys.master import load_keys
from service.settings import load_settings
from service.webhooks.role import run_webhooks

async def main():
    settings = load_settings()
    journal = PostgresJournal(settings.database_url, deadline=10, limit=8, batch=8)
    await journal.start()
    await run_webhooks(settings.database_url, settings.issuer, settings, journal, load_keys(settings).wrapping)

uvloop.run(main())
"""


@contextlib.asynccontextmanager
async def sending_process(database: Database) -> AsyncIterator[None]:
    """The role as a process of its own."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("TALLYSTICK_")} | {
        "TALLYSTICK_DATABASE_URL": database.service_url,
        "TALLYSTICK_ISSUER": ISSUER,
        "TALLYSTICK_MASTER_KEY": MASTER_KEY,
        "TALLYSTICK_WEBHOOK_PRIVATE_TARGETS": "true",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ROLE, env=env, cwd=Path(__file__).parents[2], stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_killed_at_random_it_loses_nothing(world: World, receiver: Receiver, database: Database) -> None:
    """kill -9 of the process that sends, in the middle of a load, twice: the same set, in order (tests/soak: more)."""
    chance = random.Random(7)
    await world.register("siem", receiver.url)
    positions: list[int] = []
    for _ in range(2):
        positions += await world.happen(*(f"c{chance.randrange(9)}" for _ in range(150)))
        enough = len(receiver.taken) + chance.randrange(20, 120)
        async with sending_process(database):
            await until(lambda enough=enough: len(receiver.taken) >= enough)  # type: ignore[misc]  # bound now
    async with sending_process(database):
        await until(lambda: set(receiver.positions) == set(positions))
    assert receiver.in_order()


async def test_stopped_at_any_moment_it_loses_nothing(world: World, receiver: Receiver) -> None:
    """A dispatcher that is cancelled after any number of steps of the loop leaves what the next one goes on from."""
    chance = random.Random(11)
    await world.register("siem", receiver.url)
    receiver.answer = lambda _: 500 if chance.random() < 0.1 else 204
    positions: list[int] = []
    for _ in range(15):
        positions += await world.happen(*(f"c{chance.randrange(4)}" for _ in range(8)))
        async with world.sending():
            before = len(receiver.received)
            await until(lambda before=before: len(receiver.received) > before)  # type: ignore[misc]  # bound now
            for _ in range(chance.randrange(60)):
                await asyncio.sleep(0)
    receiver.answer = lambda _: 204
    world.clock.ahead += 100_000
    async with world.sending():
        await until(lambda: set(receiver.positions) == set(positions))
    assert receiver.in_order()


@pytest.mark.parametrize("seed", range(3))
async def test_a_slow_and_failing_endpoint_gets_each_stream_in_order(
    world: World, receiver: Receiver, seed: int
) -> None:
    """With answers that are late, fail or are lost after the event was taken, each stream is in order and whole."""
    chance = random.Random(seed)

    def answer(received: Received) -> int:
        if chance.random() < 0.1:
            receiver.taken.append(received)  # Taken, but its answer says otherwise.
            return 502
        return 500 if chance.random() < 0.2 else 204

    receiver.answer = answer
    receiver.delay = lambda: chance.random() * 0.01
    await world.register("siem", receiver.url)
    positions = await world.happen(*(f"c{chance.randrange(6)}" for _ in range(80)))

    async def all_taken() -> bool:
        await world.later(60)
        return set(receiver.positions) == set(positions) and not await world.pending()

    async with world.sending(attempts=100):
        await until(all_taken)
    assert receiver.in_order()


async def test_one_of_two_leads_and_the_other_takes_over(world: World, receiver: Receiver, database: Database) -> None:
    """Two dispatchers send each event once; when the leader goes, the other goes on."""
    await world.register("siem", receiver.url)
    async with world.sending(issuer="urn:first") as first:
        await until(lambda: _running(world))
        async with world.sending(issuer="urn:second"):
            await until(lambda: _stands_by(database))
            before = await world.happen("a", "b", "a")
            await until(lambda: sorted(receiver.positions) == before)
            await until(lambda: _none_waits(world))
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            after = await world.happen("a", "c")
            await until(lambda: sorted(receiver.positions) == [*before, *after])
    sent = sorted((each.position, each.verified()["source"]) for each in receiver.received)
    assert [*((each, "urn:first") for each in before), *((each, "urn:second") for each in after)] == sent


async def test_a_cut_connection_to_postgres_is_made_again(world: World, receiver: Receiver) -> None:
    """While Postgres cannot be reached nothing is lost; then sending goes on."""
    proxy = Proxy(world.url)
    await proxy.start()
    await world.register("siem", receiver.url)
    try:
        async with world.sending(connect_by=lambda: connect(proxy.url)):
            positions = await world.happen("a")
            await until(lambda: receiver.positions == positions)
            for _ in range(3):
                proxy.cut()
                positions.extend(await world.happen("a", "b"))
                await until(lambda: set(receiver.positions) == set(positions))
    finally:
        await proxy.stop()
    assert receiver.in_order()


async def _running(world: World) -> bool:
    return (await world.progress())[1] == "running"


async def _stands_by(database: Database) -> bool:
    """Whether one has asked for the leadership, and did not get it."""
    query = """
        SELECT count(*) FROM pg_stat_activity a WHERE datname = current_database() AND query = $1 AND state = 'idle'
            AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory')
    """
    async with owner_session(database) as owner:
        return bool(await owner.fetchval(query, TRY_LOCK))


async def _none_waits(world: World) -> bool:
    return not await world.pending()

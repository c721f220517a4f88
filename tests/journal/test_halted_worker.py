"""A worker that an event halted says so: operators see it, and nobody waits for it."""

from __future__ import annotations

import asyncio

import pytest

from schema.streams import client_stream
from service.journal.barrier import Barrier
from service.journal.port import Append, JournalUnavailable
from service.projecting.lag import Lag, read_lags
from tests.journal.benches import open_journal, owner_session
from tests.journal.contract import enabled
from tests.journal.test_follow import poison
from tests.journal.workers import open_worker
from tests.servers import Database

TIME_PASSES = """
    UPDATE journal.readers SET leased_at = leased_at - $1 * interval '1 s', halted_at = halted_at - $1 * interval '1 s'
"""


async def listed(database: Database) -> list[Lag]:
    """The workers as they are listed."""
    return [each for each in await read_lags(database.service_url) if each.name.startswith("worker:")]


async def listed_as(database: Database, state: str) -> list[Lag]:
    """The same, once there are some and all are in a state."""
    async with asyncio.timeout(30):
        while not (found := await listed(database)) or any(each.state != state for each in found):
            await asyncio.sleep(0.05)
    return found


async def test_a_halted_worker_is_listed_with_its_reason(database: Database) -> None:
    """Running before the event, then halted by it, and listed as that for as long as it is there, but not longer."""
    async with open_worker(database.service_url) as worker, owner_session(database) as owner:
        (running,) = await listed_as(database, "running")
        position = await poison(database)
        (halted,) = await listed_as(database, "halted")
        assert (running.name, position - 1, 1) == (halted.name, halted.position, halted.lag_events)
        assert worker.follower.poison == halted.reason
        await owner.execute(TIME_PASSES, 60.0)
        (still,) = await listed_as(database, "halted")
        assert still.seen_at > halted.seen_at
        await worker.follower.stop()
        assert await listed(database) == []


async def test_a_halted_worker_that_died_is_listed_for_a_while(database: Database) -> None:
    """For ten times its staleness bound, as any other; later it is forgotten."""
    async with open_journal(database.service_url) as journal, owner_session(database) as owner:
        halt = "SELECT journal.halt($1, 7, 0.5, 'event 8')"
        await journal.fetch(halt, "01985ec7-0000-7000-8000-000000000001")
        await owner.execute(TIME_PASSES, 4.0)
        assert [(each.state, each.reason, each.position) for each in await listed(database)] == [
            ("halted", "event 8", 7)
        ]
        await owner.execute(TIME_PASSES, 2.0)
        assert await listed(database) == []
        forget, kept = "SELECT journal.release(gen_random_uuid())", "SELECT FROM journal.readers"
        await journal.fetch(forget)
        assert len(await journal.fetch(kept)) == 1
        await owner.execute(TIME_PASSES, 60.0)
        await journal.fetch(forget)
        assert await journal.fetch(kept) == []


async def test_a_worker_that_halts_at_its_start_is_waited_for_by_nobody(database: Database) -> None:
    """It never had a lease: a revocation is answered at once, however long its leases would be."""
    async with open_journal(database.service_url) as journal:
        head = (await journal.append(Append(client_stream("nobody"), 0, (enabled("nobody"),)))).last
        async with open_worker(database.service_url, bound=3_600.0) as worker:
            with pytest.raises(JournalUnavailable):
                await worker.follower.refresh()
            (halted,) = await listed(database)
            assert ("halted", worker.follower.poison) == (halted.state, halted.reason)
            async with asyncio.timeout(60):
                await Barrier(journal.fetch).wait(head + 1)

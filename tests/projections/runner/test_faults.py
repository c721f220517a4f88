"""Every step of a page × what can go wrong there: whatever is lost, each event is counted once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import asyncpg
import pytest

from projections.sql_projection import Link
from schema.envelope import Fact
from tests.journal.proxy import Proxy
from tests.projections.runner.counting import Counting, Hook, counted, once
from tests.projections.runner.journals import commit, some_facts
from tests.projections.runner.running import at_position, in_state, progress_of, running, terminate, until
from tests.servers import Database

Owner: TypeAlias = "asyncpg.Connection[Any]"
Fault: TypeAlias = "Callable[[Owner, Link], Awaitable[None]]"


@pytest.fixture
async def proxy(database: Database, request: pytest.FixtureRequest) -> AsyncIterator[Proxy]:
    """A wire to Postgres that can be held and cut."""
    wire = Proxy(database.service_url)
    await wire.start()
    try:
        yield wire
    finally:
        await wire.stop()


def _once_at(position: int, do: Hook) -> Hook:
    """Do something the first time that a page holds a position."""
    done: list[int] = []

    async def hook(connection: Link, facts: Sequence[Fact]) -> None:
        if not done and facts[0].position <= position <= facts[-1].position:
            done.append(position)
            await do(connection, facts)

    return hook


async def _terminated(admin: Owner, connection: Link) -> None:
    await terminate(admin, connection)
    await connection.execute("SELECT 1")


async def _cancelled_by_the_server(admin: Owner, connection: Link) -> None:
    sleeping = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
    while not sleeping.done():
        await admin.execute("SELECT pg_cancel_backend($1)", connection.get_server_pid())
        await asyncio.sleep(0.05)
    await sleeping


async def _deadlock(_: Owner, __: Link) -> None:
    raise asyncpg.DeadlockDetectedError("deadlock detected")


async def _disk_full(_: Owner, __: Link) -> None:
    raise asyncpg.DiskFullError("could not extend file")


@pytest.mark.parametrize("fault", [_terminated, _cancelled_by_the_server, _deadlock, _disk_full])
@pytest.mark.parametrize("place", ["before", "after"])
async def test_lost_between_fold_and_commit(
    owner: Owner, admin: Owner, database: Database, fault: Fault, place: str
) -> None:
    """A page that was written and not committed leaves nothing, and is folded again; that is no poison."""
    await commit(owner, some_facts(1, 250))
    hook = _once_at(150, lambda connection, _: fault(admin, connection))
    counting = Counting(**{place: hook})  # type: ignore[arg-type]  # hooks by name
    async with running(database.service_url, counting):
        await at_position(owner, 250)
        await in_state(owner, "running")
    assert counting.pages == [100, 100, 100, 50]
    assert once(250) == await counted(owner)


@pytest.mark.parametrize("hold", ["hold_requests", "hold_answers"])
async def test_the_commit_is_lost_or_its_answer_is(owner: Owner, proxy: Proxy, hold: str) -> None:
    """Whether the commit or only its acknowledgement is lost with the connection, each event is counted once."""
    await commit(owner, some_facts(1, 150))

    async def cut(_: Link, __: Sequence[Fact]) -> None:
        getattr(proxy, hold)()
        cutting.append(asyncio.create_task(_cut_soon(proxy)))

    cutting: list[asyncio.Task[None]] = []
    async with running(proxy.url, Counting(after=_once_at(50, cut))):
        await at_position(owner, 150)
    assert once(150) == await counted(owner)


async def _cut_soon(proxy: Proxy) -> None:
    await proxy.held.wait()
    await asyncio.sleep(0.2)  # what passes the open direction has arrived
    proxy.cut()
    proxy.release()


@pytest.mark.parametrize("seed", range(4))
async def test_sessions_ended_at_random(owner: Owner, database: Database, seed: int) -> None:
    """Two runners whose sessions are ended at any time, by an administrator or with them, count each event once."""
    rng = random.Random(seed)
    last = 0
    async with running(database.service_url, Counting(), page=20), running(database.service_url, Counting(), page=20):
        for _ in range(30):
            more = rng.randint(1, 40)
            await commit(owner, some_facts(last + 1, last + more))
            last += more
            await asyncio.sleep(rng.uniform(0, 0.02))
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tallystick-project'"
                " AND datname = current_database() AND random() < 0.3"
            )
        await at_position(owner, last)
    assert once(last) == await counted(owner)


async def test_a_late_leader_cannot_write(owner: Owner, admin: Owner, database: Database) -> None:
    """A leader that loses its session within a fold, and its lead to another, writes nothing late."""
    await commit(owner, some_facts(1, 50))
    first_done = asyncio.Event()

    async def overtaken(connection: Link, _: Sequence[Fact]) -> None:
        await terminate(admin, connection)
        await at_position(admin, 50)
        first_done.set()
        await connection.execute("SELECT 1")

    first, second = Counting(after=_once_at(50, overtaken)), Counting()
    async with running(database.service_url, first):
        await until_folded(first)
        async with running(database.service_url, second):
            await first_done.wait()
            await commit(owner, some_facts(51, 60))
            await at_position(owner, 60)
            assert second.pages[0] == 50
    assert once(60) == await counted(owner)


async def until_folded(counting: Counting) -> None:
    """Return when it was handed a page."""

    async def folded() -> bool:
        return bool(counting.pages)

    await until(folded)


async def test_postgres_is_away_at_the_start(owner: Owner, proxy: Proxy) -> None:
    """A runner that cannot connect tries again, and then folds."""
    await commit(owner, some_facts(1, 10))
    url = proxy.url
    await proxy.stop()
    async with running(url, Counting()) as task:
        await asyncio.sleep(0.1)
        assert not task.done()
    assert await progress_of(owner) == {}

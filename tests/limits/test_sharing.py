"""What callers took of their buckets is known to all workers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from service.journal.port import JournalUnavailable
from service.journal.postgres import PostgresJournal
from service.limits.buckets import Buckets, Limit
from service.limits.sharing import forget_buckets, share
from tests.journal.benches import open_journal
from tests.servers import Database

SLOW = Limit("slow", rate=0.001, burst=10)
FAST = Limit("fast", rate=1_000.0, burst=10)


@pytest.fixture
async def journals(database: Database) -> AsyncIterator[list[PostgresJournal]]:
    """Those of two workers."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_journal(database.service_url)) for _ in range(2)]


def take(buckets: Buckets, times: int, key: str = "a") -> int:
    """How many of so many requests are let in now."""
    now = time.monotonic()
    return sum(buckets.take(key, now) == 0.0 for _ in range(times))


async def test_two_workers_have_one_bucket(journals: list[PostgresJournal]) -> None:
    """Who took all at one worker gets a twentieth of it at another, until that has told and learnt."""
    here, there = Buckets(SLOW), Buckets(SLOW)
    assert take(here, 20) == 10
    await share(journals[0], [here])
    assert take(there, 1) == 1
    await share(journals[1], [there])
    assert take(there, 20) == 0
    assert take(there, 20, "b") == 10


async def test_many_callers_of_two_limits_go_in_one_statement(journals: list[PostgresJournal]) -> None:
    """Each has a bucket of its own in each limit."""
    here, there = (Buckets(SLOW), Buckets(Limit("other", 0.001, 4))), (Buckets(SLOW), Buckets(Limit("other", 0.001, 4)))
    for key in map(str, range(50)):
        assert (take(here[0], 9, key), take(here[1], 3, key)) == (9, 3)
    await share(journals[0], here)
    for key in map(str, range(50)):
        assert (take(there[0], 1, key), take(there[1], 1, key)) == (1, 1)
    await share(journals[1], there)
    for key in map(str, range(50)):
        assert (take(there[0], 5, key), take(there[1], 5, key)) == (0, 0)


async def test_a_shared_bucket_fills_by_the_clock_of_postgres(journals: list[PostgresJournal]) -> None:
    """What was taken is made up for by time, and what is full is forgotten."""
    here, there = Buckets(FAST), Buckets(FAST)
    take(here, 10)
    await share(journals[0], [here])
    (row,) = await journals[0].fetch("SELECT key, lacking FROM runtime.buckets")
    assert tuple(row) == ("fast a", 10.0)
    await journals[0].fetch("SELECT pg_sleep(0.05)")  # five times what it takes to fill it
    take(there, 1)
    await share(journals[1], [there])
    (row,) = await journals[0].fetch("SELECT lacking FROM runtime.buckets")
    assert row["lacking"] == 1.0
    await journals[0].fetch("SELECT pg_sleep(0.05)")
    await forget_buckets(journals[0])
    assert await journals[0].fetch("SELECT 1 FROM runtime.buckets") == []


async def test_a_limit_stands_alone_while_postgres_is_away(
    journals: list[PostgresJournal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker goes by what it knows, and what it could not tell it tells later."""
    here, there = Buckets(SLOW), Buckets(SLOW)
    take(here, 10)

    async def away(*_: object) -> list[object]:
        raise JournalUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(journals[0], "fetch", away)
        await share(journals[0], [here])
    assert take(here, 1) == 0
    await share(journals[0], [here])
    take(there, 1)
    await share(journals[1], [there])
    assert take(there, 5) == 0

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import asyncpg

from schema.streams import client_stream, new_stream
from tests.journal.benches import open_journal, owner_session
from tests.journal.contract import request
from tests.servers import Database


def months_ahead(count: int) -> list[dt.datetime]:
    """Noon of the fifteenth of this month and of the next ones."""
    now = dt.datetime.now(dt.UTC)
    return [
        dt.datetime(now.year + (now.month - 1 + ahead) // 12, (now.month - 1 + ahead) % 12 + 1, 15, 12, tzinfo=dt.UTC)
        for ahead in range(count)
    ]


async def partition_of(owner: asyncpg.Connection[Any], position: int) -> str:
    """The partition that an event lies in."""
    found = await owner.fetchval("SELECT tableoid::regclass::text FROM journal.events WHERE position = $1", position)
    return str(found).removeprefix("journal.")


async def test_each_month_has_its_partition(database: Database) -> None:
    """An event of a grant of this month or one of the three next ones lies in that month's partition."""
    async with open_journal(database.service_url) as journal, owner_session(database) as owner:
        for month in months_ahead(4):
            appended = await journal.append(request(new_stream(int(month.timestamp() * 1_000))))
            assert f"events_{month:%Y_%m}" == await partition_of(owner, appended.last)


async def test_the_edges_of_a_month(database: Database) -> None:
    """The last millisecond of a month and the first of the next lie in different partitions."""
    following = months_ahead(2)[1].replace(day=1, hour=0)
    edge = int(following.timestamp() * 1_000)
    async with open_journal(database.service_url) as journal, owner_session(database) as owner:
        last, first = [await journal.append(request(new_stream(millis))) for millis in (edge - 1, edge)]
        assert f"events_{following:%Y_%m}" == await partition_of(owner, first.last)
        assert f"events_{following:%Y_%m}" > await partition_of(owner, last.last)


async def test_a_grant_of_long_ago_has_a_place(database: Database) -> None:
    """A clock that is behind stops nobody: what is older than the first partition lies in it."""
    async with open_journal(database.service_url) as journal, owner_session(database) as owner:
        appended = await journal.append(request(new_stream(0)))
        assert f"events_{months_ahead(1)[0]:%Y_%m}" == await partition_of(owner, appended.last)


async def test_what_lives_long_has_a_partition_of_its_own(database: Database) -> None:
    """Clients, resources, roles and keys lie apart from grants."""
    async with open_journal(database.service_url) as journal, owner_session(database) as owner:
        appended = await journal.append(request(client_stream("alpha")))
        assert await partition_of(owner, appended.last) == "events_entities"


async def test_making_partitions_again_makes_none(database: Database) -> None:
    """The migration made them; asking again, for as many or fewer, makes none."""
    async with open_journal(database.service_url) as journal:
        assert [await ensure(journal.fetch, months) for months in (3, 3, 0)] == [0, 0, 0]
        assert [await ensure(journal.fetch, months) for months in (5, 5)] == [2, 0]


async def test_many_make_partitions_at_once(database: Database) -> None:
    """Workers that make the same partitions at once, while events are appended, make each once."""
    async with open_journal(database.service_url) as one, open_journal(database.service_url) as other:
        results = await asyncio.gather(
            *(ensure(journal.fetch, 12) for journal in (one, other) * 4),
            *(append_nothing_special(one) for _ in range(20)),
        )
        assert sum(results) == 9
        for month in months_ahead(13):
            await one.append(request(new_stream(int(month.timestamp() * 1_000))))


async def test_partitions_go_on_after_a_pause(database: Database) -> None:
    """Where no partition was made for months, the next one begins where the last one ended."""
    async with open_journal(database.service_url) as journal, owner_session(database) as owner:
        latest = await owner.fetchval("SELECT name FROM journal.partitions ORDER BY upper DESC LIMIT 1")
        for name in await owner.fetch("SELECT name FROM journal.partitions WHERE name <> $1", latest):
            await owner.execute(f"DROP TABLE journal.{name['name']}")
        await owner.execute("DELETE FROM journal.partitions WHERE name <> $1", latest)
        assert await ensure(journal.fetch, 5) == 2
        await journal.append(request(new_stream(int(months_ahead(6)[5].timestamp() * 1_000))))


async def ensure(fetch: Any, months: int) -> int:
    """How many partitions were made."""
    return int((await fetch("SELECT journal.ensure_partitions($1) AS made", months))[0]["made"])


async def append_nothing_special(journal: Any) -> int:
    """Append an event; makes no partition."""
    await journal.append(request())
    return 0

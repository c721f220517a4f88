"""A rebuild beside the live one: equal to it, swapped in one moment, by whichever version is the newest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeAlias

import asyncpg
import pytest

from projections.runner import NewerVersion, RunnerError, being_rebuilt
from projections.sql_projection import Link
from schema.envelope import Fact
from tests.projections.runner.counting import Counting, counted, once
from tests.projections.runner.journals import commit, some_facts
from tests.projections.runner.rebuilding import at_page, folded, rebuild_counting
from tests.projections.runner.running import at_position, progress_of, running, until
from tests.servers import Database

Owner: TypeAlias = "asyncpg.Connection[Any]"


async def test_without_a_runner(owner: Owner, database: Database) -> None:
    """The rebuilt slot holds the same, is the one that is read, and the progress was told."""
    await folded(owner, database, 120)
    told = await rebuild_counting(database, Counting())
    row = await progress_of(owner)
    assert (row["position"], row["slot"], row["rebuilt"]) == (120, 1, None)
    assert told == [(50, 120), (100, 120), (120, 120), (120, 120)]
    assert once(120) == await counted(owner, 0) == await counted(owner, 1)


async def test_reaches_the_head_where_the_live_one_lags(owner: Owner, database: Database) -> None:
    """The rebuilt one holds the whole journal, however far the old one was."""
    await folded(owner, database, 20)
    await commit(owner, some_facts(21, 120))
    await rebuild_counting(database, Counting())
    assert (await progress_of(owner))["position"] == 120
    assert once(120) == await counted(owner)


async def test_again_and_again(owner: Owner, database: Database) -> None:
    """The slots change places each time, and what a slot held before is gone."""
    await folded(owner, database, 60)
    for slot in (1, 0, 1):
        await rebuild_counting(database, Counting())
        assert slot == (await progress_of(owner))["slot"]
        assert once(60) == await counted(owner)


async def test_of_nothing(owner: Owner, database: Database) -> None:
    """An empty journal is rebuilt, too."""
    assert await rebuild_counting(database, Counting()) == [(0, 0)]
    assert (await progress_of(owner))["slot"] == 1


async def test_beside_a_runner_while_events_come(owner: Owner, database: Database) -> None:
    """A reader sees each figure grow and never a half rebuilt one; afterwards each event is counted once."""
    await commit(owner, some_facts(1, 400))
    seen: list[int] = []
    last = 400
    async with running(database.service_url, Counting()):
        await at_position(owner, 400)
        rebuilding = asyncio.create_task(rebuild_counting(database, Counting()))
        while not rebuilding.done() or last < 450:
            last += 1
            await commit(owner, some_facts(last, last))
            row = await owner.fetchrow("SELECT times, last FROM counting.figures")
            assert row is not None
            assert row["times"] == row["last"]
            seen.append(row["last"])
        await rebuilding
        await at_position(owner, last)
    assert sorted(seen) == seen
    assert seen[0] >= 400
    assert (await progress_of(owner))["slot"] == 1
    assert once(last) == await counted(owner)


async def test_one_at_a_time(owner: Owner, database: Database) -> None:
    """While one process rebuilds a projection, another is told so; `being_rebuilt` knows."""
    await folded(owner, database, 60)
    told: list[str] = []

    async def second(_: Link, __: Sequence[Fact]) -> None:
        assert await being_rebuilt(owner, "counting")
        with pytest.raises(RunnerError) as refused:
            await rebuild_counting(database, Counting())
        told.append(str(refused.value))

    assert not await being_rebuilt(owner, "counting")
    await rebuild_counting(database, Counting(before=at_page(1, second)))
    assert told == ["counting is being rebuilt by another process"]


async def test_a_long_query_does_not_hold_it_up(owner: Owner, database: Database) -> None:
    """Where an analyst reads the idle slot, it is emptied row by row."""
    await folded(owner, database, 60)
    await rebuild_counting(database, Counting())
    analyst: Owner = await asyncpg.connect(database.owner_url)
    try:
        async with analyst.transaction():
            await analyst.fetch("SELECT * FROM counting.seen")
            await rebuild_counting(database, Counting())
    finally:
        await analyst.close()
    assert (await progress_of(owner))["slot"] == 0
    assert once(60) == await counted(owner)


async def test_a_newer_fold_is_rebuilt_at_the_start(owner: Owner, database: Database) -> None:
    """What an older version folded is rebuilt by the newer one, which then follows."""
    await folded(owner, database, 60)
    newer = Counting(version=2)
    async with running(database.service_url, newer):
        await until(lambda: _of_version(owner, 2))
        await commit(owner, some_facts(61, 70))
        await at_position(owner, 70)
    row = await progress_of(owner)
    assert (row["slot"], row["version"]) == (1, 2)
    assert once(70) == await counted(owner)


async def test_an_older_runner_goes_on_until_then_and_stands_by_afterwards(
    owner: Owner, admin: Owner, database: Database
) -> None:
    """While the newer fold is built the older one follows; then it gives way, and never writes again."""
    await commit(owner, some_facts(1, 60))
    older = Counting()

    async def meanwhile(_: Link, __: Sequence[Fact]) -> None:
        await commit(admin, some_facts(61, 70))
        await at_position(admin, 70)

    async with running(database.service_url, older):
        await at_position(owner, 60)
        async with running(database.service_url, Counting(version=2, before=at_page(1, meanwhile))):
            await until(lambda: _of_version(owner, 2))
            await commit(owner, some_facts(71, 80))
            await at_position(owner, 80)
    assert sum(older.pages) == 70
    assert once(80) == await counted(owner)


async def test_an_older_version_does_not_rebuild(owner: Owner, database: Database) -> None:
    """What a newer version folded is left alone."""
    await commit(owner, some_facts(1, 60))
    await rebuild_counting(database, Counting(version=2))
    with pytest.raises(NewerVersion):
        await rebuild_counting(database, Counting())


async def _of_version(owner: Owner, version: int) -> bool:
    return bool((await progress_of(owner)).get("version") == version)

"""A rebuild beside the live one: equal to it, swapped in one moment, harmless when it is killed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import asyncpg
import pytest

from projections.runner import DatabaseUnavailable, NewerVersion, Poison, RunnerError, being_rebuilt, rebuild
from projections.sql_projection import Link
from schema.envelope import Fact
from tests.projections.runner.counting import Counting, Hook, counted, once, poisoned_at
from tests.projections.runner.journals import commit, some_facts
from tests.projections.runner.running import at_position, in_state, progress_of, running, terminate, until
from tests.servers import Database

Owner: TypeAlias = "asyncpg.Connection[Any]"
Fault: TypeAlias = "Callable[[Owner, Link], Awaitable[None]]"
PAGE = 50


async def _rebuild(database: Database, projection: Counting) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    await rebuild(database.service_url, projection, lambda done, total: told.append((done, total)), page=PAGE)
    return told


async def _folded(owner: Owner, database: Database, last: int) -> None:
    await commit(owner, some_facts(1, last))
    async with running(database.service_url, Counting()):
        await at_position(owner, last)


def _at_page(number: int, do: Hook) -> Hook:
    """Do something in one page alone."""
    pages = [0]

    async def hook(connection: Link, facts: Sequence[Fact]) -> None:
        pages[0] += 1
        if pages[0] == number:
            await do(connection, facts)

    return hook


async def test_without_a_runner(owner: Owner, database: Database) -> None:
    """The rebuilt slot holds the same, is the one that is read, and the progress was told."""
    await _folded(owner, database, 120)
    told = await _rebuild(database, Counting())
    row = await progress_of(owner)
    assert (row["position"], row["slot"], row["rebuilt"]) == (120, 1, None)
    assert told == [(50, 120), (100, 120), (120, 120), (120, 120)]
    assert once(120) == await counted(owner, 0) == await counted(owner, 1)


async def test_reaches_the_head_where_the_live_one_lags(owner: Owner, database: Database) -> None:
    """The rebuilt one holds the whole journal, however far the old one was."""
    await _folded(owner, database, 20)
    await commit(owner, some_facts(21, 120))
    await _rebuild(database, Counting())
    assert (await progress_of(owner))["position"] == 120
    assert once(120) == await counted(owner)


async def test_again_and_again(owner: Owner, database: Database) -> None:
    """The slots change places each time, and what a slot held before is gone."""
    await _folded(owner, database, 60)
    for slot in (1, 0, 1):
        await _rebuild(database, Counting())
        assert slot == (await progress_of(owner))["slot"]
        assert once(60) == await counted(owner)


async def test_of_nothing(owner: Owner, database: Database) -> None:
    """An empty journal is rebuilt, too."""
    assert await _rebuild(database, Counting()) == [(0, 0)]
    assert (await progress_of(owner))["slot"] == 1


async def test_beside_a_runner_while_events_come(owner: Owner, database: Database) -> None:
    """A reader sees each figure grow and never a half rebuilt one; afterwards each event is counted once."""
    await commit(owner, some_facts(1, 400))
    seen: list[int] = []
    last = 400
    async with running(database.service_url, Counting()):
        await at_position(owner, 400)
        rebuilding = asyncio.create_task(_rebuild(database, Counting()))
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


async def _killed(admin: Owner, connection: Link) -> None:
    await terminate(admin, connection)
    await connection.execute("SELECT 1")


async def _cancelled(_: Owner, __: Link) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("page", [1, 2, 3])
@pytest.mark.parametrize("fault", [_killed, _cancelled])
@pytest.mark.parametrize("place", ["before", "after"])
async def test_killed_and_begun_again(
    owner: Owner, admin: Owner, database: Database, page: int, fault: Fault, place: str
) -> None:
    """Wherever it is killed, the old one answers; the next rebuild begins anew and is right."""
    await _folded(owner, database, 120)
    hook = _at_page(page, lambda connection, _: fault(admin, connection))
    with pytest.raises((RunnerError, asyncio.CancelledError)):
        await _rebuild(database, Counting(**{place: hook}))  # type: ignore[arg-type]  # hooks by name
    row = await progress_of(owner)
    assert (row["slot"], row["position"]) == (0, 120)
    assert once(120) == await counted(owner)
    await until(lambda: _nobody_rebuilds(owner))
    await _rebuild(database, Counting())
    assert once(120) == await counted(owner)


async def _nobody_rebuilds(owner: Owner) -> bool:
    return not await being_rebuilt(owner, "counting")


async def test_killed_while_it_changes_places(owner: Owner, admin: Owner, database: Database) -> None:
    """The few events that are folded in the last transaction go with it when it is lost."""
    await commit(owner, some_facts(1, 60))

    async def more(_: Link, __: Sequence[Fact]) -> None:
        await commit(admin, some_facts(61, 70))
        await at_position(admin, 70)

    async def killed_at_last(connection: Link, facts: Sequence[Fact]) -> None:
        if facts[-1].position == 70:
            await _killed(admin, connection)

    async with running(database.service_url, Counting()):
        await at_position(owner, 60)
        with pytest.raises(DatabaseUnavailable):
            await _rebuild(database, Counting(before=_at_page(2, more), after=killed_at_last))
        row = await progress_of(owner)
        assert (row["slot"], row["position"]) == (0, 70)
        await until(lambda: _nobody_rebuilds(owner))
        await _rebuild(database, Counting())
        await at_position(owner, 70)
    assert once(70) == await counted(owner)


async def test_one_at_a_time(owner: Owner, database: Database) -> None:
    """While one process rebuilds a projection, another is told so; `being_rebuilt` knows."""
    await _folded(owner, database, 60)
    told: list[str] = []

    async def second(_: Link, __: Sequence[Fact]) -> None:
        assert await being_rebuilt(owner, "counting")
        with pytest.raises(RunnerError) as refused:
            await _rebuild(database, Counting())
        told.append(str(refused.value))

    assert not await being_rebuilt(owner, "counting")
    await _rebuild(database, Counting(before=_at_page(1, second)))
    assert told == ["counting is being rebuilt by another process"]


async def test_poison_leaves_the_old_one(owner: Owner, database: Database) -> None:
    """A rebuild that meets an event it cannot fold names it, and the old figures stay."""
    await _folded(owner, database, 120)
    with pytest.raises(Poison, match="event 77 cannot be folded: Shown: no"):
        await _rebuild(database, Counting(after=poisoned_at(77)))
    row = await progress_of(owner)
    assert (row["slot"], row["rebuilt"]) == (0, 76)
    assert once(120) == await counted(owner)


async def test_mends_a_halted_one_under_its_runner(owner: Owner, database: Database) -> None:
    """A halted runner goes on where a rebuild by a mended fold has led."""
    await commit(owner, some_facts(1, 20))
    mended = [poisoned_at(7)]

    async def while_broken(connection: Link, facts: Sequence[Fact]) -> None:
        for fault in mended:
            await fault(connection, facts)

    async with running(database.service_url, Counting(after=while_broken)):
        await in_state(owner, "halted")
        mended.clear()
        await _rebuild(database, Counting())
        await in_state(owner, "running")
        await commit(owner, some_facts(21, 25))
        await at_position(owner, 25)
    assert once(25) == await counted(owner)


async def test_a_long_query_does_not_hold_it_up(owner: Owner, database: Database) -> None:
    """Where an analyst reads the idle slot, it is emptied row by row."""
    await _folded(owner, database, 60)
    await _rebuild(database, Counting())
    analyst: Owner = await asyncpg.connect(database.owner_url)
    try:
        async with analyst.transaction():
            await analyst.fetch("SELECT * FROM counting.seen")
            await _rebuild(database, Counting())
    finally:
        await analyst.close()
    assert (await progress_of(owner))["slot"] == 0
    assert once(60) == await counted(owner)


async def test_a_newer_fold_is_rebuilt_at_the_start(owner: Owner, database: Database) -> None:
    """What an older version folded is rebuilt by the newer one, which then follows."""
    await _folded(owner, database, 60)
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
        async with running(database.service_url, Counting(version=2, before=_at_page(1, meanwhile))):
            await until(lambda: _of_version(owner, 2))
            await commit(owner, some_facts(71, 80))
            await at_position(owner, 80)
    assert sum(older.pages) == 70
    assert once(80) == await counted(owner)


async def test_a_poisoned_newer_fold_shows_and_the_old_figures_stay(owner: Owner, database: Database) -> None:
    """The runner halts with the reason while the old slot answers."""
    await _folded(owner, database, 60)
    async with running(database.service_url, Counting(version=2, after=poisoned_at(9))):
        row = await in_state(owner, "halted")
    assert (
        row["position"],
        row["version"],
        row["reason"],
    ) == (60, 1, "the rebuild halted: event 9 cannot be folded: Shown: no")
    assert once(60) == await counted(owner)


async def test_an_older_version_does_not_rebuild(owner: Owner, database: Database) -> None:
    """What a newer version folded is left alone."""
    await commit(owner, some_facts(1, 60))
    await _rebuild(database, Counting(version=2))
    with pytest.raises(NewerVersion):
        await _rebuild(database, Counting())


async def _of_version(owner: Owner, version: int) -> bool:
    return bool((await progress_of(owner)).get("version") == version)

"""A rebuild that is killed or meets poison: the old one answers as before, and the next rebuild is right."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import asyncpg
import pytest

from projections.runner import DatabaseUnavailable, Poison, RunnerError
from projections.sql_projection import Link
from schema.envelope import Fact
from tests.projections.runner.counting import Counting, counted, once, poisoned_at
from tests.projections.runner.journals import commit, some_facts
from tests.projections.runner.rebuilding import at_page, folded, nobody_rebuilds, rebuild_counting
from tests.projections.runner.running import at_position, in_state, progress_of, running, terminate, until
from tests.servers import Database

Owner: TypeAlias = "asyncpg.Connection[Any]"
Fault: TypeAlias = "Callable[[Owner, Link], Awaitable[None]]"


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
    await folded(owner, database, 120)
    hook = at_page(page, lambda connection, _: fault(admin, connection))
    with pytest.raises((RunnerError, asyncio.CancelledError)):
        await rebuild_counting(database, Counting(**{place: hook}))  # type: ignore[arg-type]  # hooks by name
    row = await progress_of(owner)
    assert (row["slot"], row["position"]) == (0, 120)
    assert once(120) == await counted(owner)
    await until(lambda: nobody_rebuilds(owner))
    await rebuild_counting(database, Counting())
    assert once(120) == await counted(owner)


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
            await rebuild_counting(database, Counting(before=at_page(2, more), after=killed_at_last))
        row = await progress_of(owner)
        assert (row["slot"], row["position"]) == (0, 70)
        await until(lambda: nobody_rebuilds(owner))
        await rebuild_counting(database, Counting())
        await at_position(owner, 70)
    assert once(70) == await counted(owner)


async def test_poison_leaves_the_old_one(owner: Owner, database: Database) -> None:
    """A rebuild that meets an event it cannot fold names it, and the old figures stay."""
    await folded(owner, database, 120)
    with pytest.raises(Poison, match="event 77 cannot be folded: Shown: no"):
        await rebuild_counting(database, Counting(after=poisoned_at(77)))
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
        await rebuild_counting(database, Counting())
        await in_state(owner, "running")
        await commit(owner, some_facts(21, 25))
        await at_position(owner, 25)
    assert once(25) == await counted(owner)


async def test_a_poisoned_newer_fold_shows_and_the_old_figures_stay(owner: Owner, database: Database) -> None:
    """The runner halts with the reason while the old slot answers."""
    await folded(owner, database, 60)
    async with running(database.service_url, Counting(version=2, after=poisoned_at(9))):
        row = await in_state(owner, "halted")
    assert (
        row["position"],
        row["version"],
        row["reason"],
    ) == (60, 1, "the rebuild halted: event 9 cannot be folded: Shown: no")
    assert once(60) == await counted(owner)

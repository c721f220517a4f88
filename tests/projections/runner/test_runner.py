"""The runner folds each event once, in order, with its checkpoint; poison halts; one of several leads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeAlias

import asyncpg
import pytest

from projections.sql_projection import Link
from schema.envelope import Fact
from tests.projections.runner.counting import Counting, counted, once, poisoned_at
from tests.projections.runner.journals import commit, some_facts
from tests.projections.runner.running import at_position, in_state, progress_of, running, until
from tests.servers import Database

Owner: TypeAlias = "asyncpg.Connection[Any]"


async def test_replays_then_follows(owner: Owner, database: Database) -> None:
    """What was committed before and after the start is folded, each event once."""
    await commit(owner, some_facts(1, 250))
    async with running(database.service_url, Counting()):
        await at_position(owner, 250)
        await commit(owner, some_facts(251, 260))
        await at_position(owner, 260)
    assert once(260) == await counted(owner)


async def test_pages_are_bounded(owner: Owner, database: Database) -> None:
    """A fold is handed at most a page."""
    await commit(owner, some_facts(1, 250))
    counting = Counting()
    async with running(database.service_url, counting, page=100):
        await at_position(owner, 250)
    assert counting.pages == [100, 100, 50]


async def test_restarts_where_it_stopped(owner: Owner, database: Database) -> None:
    """A second runner goes on from the first one's checkpoint."""
    await commit(owner, some_facts(1, 30))
    async with running(database.service_url, Counting()):
        await at_position(owner, 30)
    row = await progress_of(owner)
    assert (row["state"], row["reason"]) == ("starting", "stopped")
    await commit(owner, some_facts(31, 40))
    counting = Counting()
    async with running(database.service_url, counting):
        await at_position(owner, 40)
    assert counting.pages == [10]
    assert once(40) == await counted(owner)


async def test_gives_signs_of_life(owner: Owner, database: Database) -> None:
    """While nothing happens, a runner still says that it runs."""
    async with running(database.service_url, Counting()):
        first = await in_state(owner, "running")

        async def seen_again() -> bool:
            return bool((await progress_of(owner))["seen_at"] > first["seen_at"])

        await until(seen_again)


@pytest.mark.parametrize("place", [1, 57, 100, 101, 250])
async def test_poison_halts_right_before_it(owner: Owner, database: Database, place: int) -> None:
    """What comes before the event that cannot be folded is folded; it and what comes after are not."""
    await commit(owner, some_facts(1, 250))
    async with running(database.service_url, Counting(after=poisoned_at(place))):
        row = await in_state(owner, "halted")
        await commit(owner, some_facts(251, 260))
        assert (place - 1, f"event {place} cannot be folded: Shown: no") == (row["position"], row["reason"])
        await until(lambda: _seen_after(owner, row["seen_at"]))
    assert once(place - 1) == await counted(owner)
    assert (await progress_of(owner))["state"] == "halted"


async def _seen_after(owner: Owner, moment: Any) -> bool:
    return bool((await progress_of(owner))["seen_at"] > moment)


async def test_a_mended_fold_goes_on(owner: Owner, database: Database) -> None:
    """A halted projection is tried again when the runner is started again."""
    await commit(owner, some_facts(1, 20))
    async with running(database.service_url, Counting(after=poisoned_at(7))):
        await in_state(owner, "halted")
    async with running(database.service_url, Counting()):
        await at_position(owner, 20)
        await in_state(owner, "running")
    assert once(20) == await counted(owner)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("UPDATE journal.events SET type = 'token.forged' WHERE position = 5", "UnknownEventType: token.forged"),
        ("UPDATE journal.events SET data = '[]' WHERE position = 5", "ValidationError: Expected `object`, got `array`"),
        ("DELETE FROM journal.events WHERE position = 5", "LookupError: the journal goes on with 6"),
    ],
)
async def test_an_unreadable_event_halts(owner: Owner, database: Database, damage: str, reason: str) -> None:
    """A type that is unknown, data that is not the type's, or a hole: nothing from there on is folded."""
    await commit(owner, some_facts(1, 10))
    await owner.execute(damage)
    async with running(database.service_url, Counting()):
        row = await in_state(owner, "halted")
    assert (4, f"event 5 cannot be folded: {reason}") == (row["position"], row["reason"])
    assert once(4) == await counted(owner)


class Other(Counting):
    """Writes nothing."""

    name = "other"

    async def write(self, connection: Link, slot: int, facts: Sequence[Fact]) -> None:
        """Only what a test put in."""
        await self.before(connection, facts)


async def test_others_go_on(owner: Owner, database: Database) -> None:
    """Poison for one projection is none for another."""
    await commit(owner, some_facts(1, 20))
    async with running(database.service_url, Other(before=poisoned_at(3)), Counting()):
        await in_state(owner, "halted", "other")
        await at_position(owner, 20)
        await commit(owner, some_facts(21, 30))
        await at_position(owner, 30)
    assert (await progress_of(owner, "other"))["position"] == 2
    assert once(30) == await counted(owner)


async def test_two_runners_fold_once(owner: Owner, database: Database) -> None:
    """Of two runners one folds, and the other takes over when it is gone; no event is folded twice."""
    first, second = Counting(), Counting()
    async with running(database.service_url, first) as leading:
        await in_state(owner, "running")
        async with running(database.service_url, second):
            for position in range(1, 51):
                await commit(owner, some_facts(position, position))
                await at_position(owner, position)
            assert (sum(first.pages), sum(second.pages)) == (50, 0)
            leading.cancel()
            await asyncio.gather(leading, return_exceptions=True)
            await commit(owner, some_facts(51, 80))
            await at_position(owner, 80)
            assert sum(second.pages) == 30
    assert once(80) == await counted(owner)


async def test_a_checkpoint_moved_by_another_is_heeded(owner: Owner, database: Database) -> None:
    """A runner whose checkpoint was moved under it folds from there, and nothing twice."""
    await commit(owner, some_facts(1, 10))
    async with running(database.service_url, Counting()):
        await at_position(owner, 10)
        await owner.execute("UPDATE projection.progress SET position = 15")
        await commit(owner, some_facts(11, 20))
        await at_position(owner, 20)
    assert once(10) | dict.fromkeys(range(16, 21), 1) == await counted(owner)

"""What comes next is gathered while Postgres writes what came before: in order, one write at a time, none too much."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import asyncpg
import pytest

from projections import runner_pages
from projections.runner import Poison, RunnerError
from projections.sql_projection import Link
from schema.envelope import Fact
from tests.projections.runner.counting import Counting, Shown, counted, once
from tests.projections.runner.journals import commit, some_facts
from tests.projections.runner.rebuilding import PAGE, at_page, folded, rebuild_counting
from tests.projections.runner.running import at_position, in_state, progress_of, running, terminate
from tests.servers import Database

Owner: TypeAlias = "asyncpg.Connection[Any]"
_LONGEST = 30.0


class Meanwhile:
    """Holds up the first write until a position is gathered, and fails then if it is told to."""

    def __init__(self, position: int, fail: Callable[[], None] = lambda: None) -> None:
        self._position = position
        self._fail = fail
        self._there = asyncio.Event()

    def gathering(self, facts: Sequence[Fact]) -> None:
        """See Counting."""
        if facts and facts[0].position <= self._position <= facts[-1].position:
            self._there.set()
            self._fail()

    async def held(self, _: Link, __: Sequence[Fact]) -> None:
        """The write."""
        async with asyncio.timeout(_LONGEST):
            await self._there.wait()


def _shown() -> None:
    raise Shown("no")


def _cancelled() -> None:
    raise asyncio.CancelledError


async def test_the_next_is_gathered_during_a_write(owner: Owner, database: Database) -> None:
    """Live and in a rebuild: a write that lasts does not keep what follows from being read and gathered."""
    await commit(owner, some_facts(1, 120))
    meanwhile = Meanwhile(PAGE + 1)
    live = Counting(gathering=meanwhile.gathering, before=at_page(1, meanwhile.held))
    async with running(database.service_url, live, page=PAGE):
        await at_position(owner, 120)
    meanwhile = Meanwhile(PAGE + 1)
    rebuilt = Counting(gathering=meanwhile.gathering, before=at_page(1, meanwhile.held))
    assert await rebuild_counting(database, rebuilt) == [(50, 120), (100, 120), (120, 120), (120, 120)]
    assert live.pages == rebuilt.pages == [50, 50, 20]
    assert once(120) == await counted(owner, 0) == await counted(owner, 1)


async def test_one_write_at_a_time_in_order(owner: Owner, database: Database) -> None:
    """No write begins before the one before it is committed."""
    committed: list[int] = []

    async def before(_: Link, facts: Sequence[Fact]) -> None:
        committed.append((await progress_of(owner))["rebuilt"])
        assert committed[-1] == facts[0].position - 1

    await folded(owner, database, 220)
    await rebuild_counting(database, Counting(before=before))
    assert committed == [0, 50, 100, 150, 200]


async def test_what_is_read_in_small_pages_is_written_at_once(
    owner: Owner, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write is of as many facts as it may be, from however many pages; the last of what there is does not wait."""
    monkeypatch.setattr(runner_pages, "READ", 20)
    await commit(owner, some_facts(1, 250))
    live, rebuilt = Counting(), Counting()
    async with running(database.service_url, live, page=100):
        await at_position(owner, 250)
    await rebuild_counting(database, rebuilt)
    assert (live.pages, rebuilt.pages) == ([100, 100, 50], [60, 60, 60, 60, 10])
    assert once(250) == await counted(owner, 0) == await counted(owner, 1)


@pytest.mark.parametrize("place", [51, 77, 100])
async def test_poison_while_what_precedes_it_is_written(owner: Owner, database: Database, place: int) -> None:
    """Live: it halts right before the poison, and the write that was under way is kept."""
    await commit(owner, some_facts(1, 120))
    meanwhile = Meanwhile(place, _shown)
    counting = Counting(gathering=meanwhile.gathering, before=at_page(1, meanwhile.held))
    async with running(database.service_url, counting, page=PAGE):
        row = await in_state(owner, "halted")
    assert (place - 1, f"event {place} cannot be folded: Shown: no") == (row["position"], row["reason"])
    assert once(place - 1) == await counted(owner)


@pytest.mark.parametrize("place", [51, 77, 100])
async def test_poison_in_a_rebuild_while_what_precedes_it_is_written(
    owner: Owner, database: Database, place: int
) -> None:
    """All before it is in the idle slot with its checkpoint; the old figures stay."""
    await folded(owner, database, 120)
    meanwhile = Meanwhile(place, _shown)
    counting = Counting(gathering=meanwhile.gathering, before=at_page(1, meanwhile.held))
    with pytest.raises(Poison, match=f"event {place} cannot be folded: Shown: no"):
        await rebuild_counting(database, counting)
    row = await progress_of(owner)
    assert (row["slot"], row["position"], row["rebuilt"]) == (0, 120, place - 1)
    assert once(place - 1) == await counted(owner, 1)
    assert once(120) == await counted(owner, 0)


async def test_an_unreadable_event_in_a_rebuild(owner: Owner, database: Database) -> None:
    """What was gathered before an event that cannot be read is written; nothing after it is."""
    await folded(owner, database, 120)
    await owner.execute("UPDATE journal.events SET type = 'token.forged' WHERE position = 77")
    with pytest.raises(Poison, match="event 77 cannot be folded: UnknownEventType"):
        await rebuild_counting(database, Counting())
    assert (await progress_of(owner))["rebuilt"] == 76
    assert once(76) == await counted(owner, 1)


@pytest.mark.parametrize("place", [1, 50, 51, 101, 120])
async def test_stopped_between_writes(owner: Owner, database: Database, place: int) -> None:
    """Where gathering is stopped, whatever write is under way, the checkpoint is what is written, and no row more."""
    await folded(owner, database, 120)
    with pytest.raises(asyncio.CancelledError):
        await rebuild_counting(database, Counting(gathering=Meanwhile(place, _cancelled).gathering))
    row = await progress_of(owner)
    assert row["rebuilt"] in {0, 50, 100}
    assert row["rebuilt"] < place
    assert once(row["rebuilt"]) == await counted(owner, 1)
    assert once(120) == await counted(owner)
    await rebuild_counting(database, Counting())
    assert once(120) == await counted(owner)


async def test_a_write_that_is_lost_while_the_next_is_gathered(owner: Owner, admin: Owner, database: Database) -> None:
    """Neither it nor what was gathered since is written; live, both are folded again, once."""
    await commit(owner, some_facts(1, 120))

    async def killed(connection: Link, facts: Sequence[Fact]) -> None:
        await meanwhile.held(connection, facts)
        await terminate(admin, connection)
        await connection.execute("SELECT 1")

    meanwhile = Meanwhile(101)
    live = Counting(gathering=meanwhile.gathering, after=at_page(2, killed))
    async with running(database.service_url, live, page=PAGE):
        await at_position(owner, 120)
    assert live.pages == [50, 50, 50, 20]
    meanwhile = Meanwhile(101)
    with pytest.raises(RunnerError):
        await rebuild_counting(database, Counting(gathering=meanwhile.gathering, after=at_page(2, killed)))
    assert (await progress_of(owner))["rebuilt"] == 50
    assert (once(120), once(50)) == (await counted(owner, 0), await counted(owner, 1))


async def test_a_write_is_dropped_with_its_checkpoint(owner: Owner, admin: Owner, database: Database) -> None:
    """Where the checkpoint was moved under a write, nothing of it stays."""
    await folded(owner, database, 120)

    async def moved(_: Link, __: Sequence[Fact]) -> None:
        await admin.execute("UPDATE projection.progress SET rebuilt = 7")

    with pytest.raises(RunnerError):
        await rebuild_counting(database, Counting(after=at_page(2, moved)))
    assert once(50) == await counted(owner, 1)
    assert once(120) == await counted(owner)

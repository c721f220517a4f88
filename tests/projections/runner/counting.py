"""A projection that counts how often each position was folded, and shows it: what the runner promises is seen in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg

from projections.sql_projection import Gathered, Link
from schema.envelope import Fact

TABLES = """
    CREATE SCHEMA counting;
    CREATE TABLE counting.seen (slot smallint, position bigint, times bigint, PRIMARY KEY (slot, position))
        PARTITION BY LIST (slot);
    CREATE TABLE counting.seen_0 PARTITION OF counting.seen FOR VALUES IN (0);
    CREATE TABLE counting.seen_1 PARTITION OF counting.seen FOR VALUES IN (1);
    CREATE TABLE counting.totals (slot smallint, type text, times bigint, last bigint, PRIMARY KEY (slot, type))
        PARTITION BY LIST (slot);
    CREATE TABLE counting.totals_0 PARTITION OF counting.totals FOR VALUES IN (0);
    CREATE TABLE counting.totals_1 PARTITION OF counting.totals FOR VALUES IN (1);
    CREATE VIEW counting.figures AS SELECT type, times, last FROM counting.totals
        WHERE slot = (SELECT slot FROM projection.progress WHERE name = 'counting');
    GRANT USAGE ON SCHEMA counting TO tallystick_app;
    GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA counting TO tallystick_app;
"""
_SEEN = """
    INSERT INTO counting.seen AS s SELECT $1, p, 1 FROM unnest($2::bigint[]) AS p
    ON CONFLICT (slot, position) DO UPDATE SET times = s.times + 1
"""
_TOTALS = """
    INSERT INTO counting.totals AS t SELECT $1, type, count(*), max(p)
    FROM unnest($2::text[], $3::bigint[]) AS x (type, p) GROUP BY type
    ON CONFLICT (slot, type) DO UPDATE SET times = t.times + excluded.times, last = greatest(t.last, excluded.last)
"""

Hook = Callable[[Link, Sequence[Fact]], Awaitable[None]]


async def nothing(_: Link, __: Sequence[Fact]) -> None:
    """No fault."""


class Counting:
    """`gathering` is called with what is gathered, `before` and `after` around its writes, inside their transaction:
    where a test puts its faults. `pages` has how many facts were written at once.
    """

    name = "counting"
    tables = ("counting.seen", "counting.totals")

    def __init__(
        self,
        *,
        version: int = 1,
        gathering: Callable[[Sequence[Fact]], None] = lambda _: None,
        before: Hook = nothing,
        after: Hook = nothing,
    ) -> None:
        self.version = version
        self.gathering = gathering
        self.before = before
        self.after = after
        self.pages: list[int] = []

    def gather(self) -> Gathered:
        """Nothing is counted yet."""
        return _Positions(self)

    async def write(self, connection: Link, slot: int, facts: Sequence[Fact]) -> None:
        """Count each position, and the types."""
        self.pages.append(len(facts))
        await self.before(connection, facts)
        positions = [fact.position for fact in facts]
        await connection.execute(_SEEN, slot, positions)
        await connection.execute(_TOTALS, slot, [fact.event.TYPE for fact in facts], positions)
        await self.after(connection, facts)


class _Positions:
    """Facts as they are."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self._facts: list[Fact] = []

    def add(self, facts: Sequence[Fact]) -> None:
        self._counting.gathering(facts)
        self._facts.extend(facts)

    async def write(self, connection: Link, slot: int) -> None:
        await self._counting.write(connection, slot, self._facts)


class Shown(RuntimeError):
    """What the tests' poison raises."""


def poisoned_at(position: int) -> Hook:
    """A fold that cannot fold one event."""

    async def fail(_: Link, facts: Sequence[Fact]) -> None:
        if any(fact.position == position for fact in facts):
            raise Shown("no")

    return fail


async def counted(owner: asyncpg.Connection[Any], slot: int | None = None) -> dict[int, int]:
    """How often each position was folded, in the slot that is read unless another is named."""
    rows = await owner.fetch(
        "SELECT position, times FROM counting.seen"
        " WHERE slot = coalesce($1, (SELECT slot FROM projection.progress WHERE name = 'counting'))",
        slot,
    )
    return {row["position"]: row["times"] for row in rows}


def once(last: int) -> dict[int, int]:
    """What `counted` must say when all up to a position is folded."""
    return dict.fromkeys(range(1, last + 1), 1)

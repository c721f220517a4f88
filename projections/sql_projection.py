"""What a projection in SQL tables is: the contract between the runner, which reads and checkpoints, and a fold.

A fold has two halves. Facts are gathered in memory, which needs no database; then what was gathered is written, in a
transaction that also moves the checkpoint: what is written and how far it stands for are committed together or not at
all. So the runner can gather the next facts while Postgres writes those before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import asyncpg

from schema.envelope import Fact

Link: TypeAlias = "asyncpg.Connection[Any]"


class Gathered(Protocol):
    """What some facts change, in memory. It is written once, and nothing is added to it afterwards."""

    def add(self, facts: Sequence[Fact]) -> None:
        """Add facts in position order, without gap and without repeat: they follow those that were added before.

        MUST NOT wait, look at the clock or read anything but the facts. Whatever it raises is poison.
        """
        ...

    async def write(self, connection: Link, slot: int) -> None:
        """Write it into a slot, within the transaction that the runner has begun. There is at least one fact.

        MUST give the same tables however the facts are cut into pages. MUST NOT commit, look at the clock, or read
        anything but its slot, earlier events and, for what a rebuilt slot need not hold, the slot that is read.
        Whatever it raises, save for a failure of the database, is poison: the projection halts there. The transaction
        may be rolled back; the facts are gathered anew then.
        """
        ...


class SqlProjection(Protocol):
    """A fold of the journal into tables with two slots, of which one is read and the other rebuilt.

    `name` is its row in `projection.progress`. `version` goes up whenever the fold or its tables change: what an older
    one folded is rebuilt. `tables` are partitioned by list of `slot`; the partition of slot N of the table
    `usage.minute` is `usage.minute_N`.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def version(self) -> int: ...  # noqa: D102

    @property
    def tables(self) -> tuple[str, ...]: ...  # noqa: D102

    def gather(self) -> Gathered:
        """Begin to gather. MUST keep nothing from one to the next: another slot or process may come in between."""
        ...


async def fold(connection: Link, projection: SqlProjection, slot: int, facts: Sequence[Fact]) -> None:
    """Gather facts and write them, within a transaction."""
    gathered = projection.gather()
    gathered.add(facts)
    await gathered.write(connection, slot)

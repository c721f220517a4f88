"""What a projection in SQL tables is: the contract between the runner, which reads and checkpoints, and a fold.

The runner hands over pages of facts in position order, without gap and without repeat, each in a transaction that also
moves the checkpoint: what is written and how far it stands for are committed together or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import asyncpg

from schema.envelope import Fact

Link: TypeAlias = "asyncpg.Connection[Any]"


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

    async def fold(self, connection: Link, slot: int, facts: Sequence[Fact]) -> None:
        """Write what the facts change, into a slot, within the transaction that the runner has begun.

        MUST give the same tables however the facts are cut into pages. MUST keep nothing from one call to the next: the
        transaction may be rolled back, and another slot, or another process, may come in between. MUST NOT commit, look
        at the clock or read what is not in its slot. Whatever it raises, save for a failure of the database, is poison:
        the projection halts there. May be called for the same facts again, after a rollback.
        """
        ...

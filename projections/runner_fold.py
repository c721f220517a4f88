"""Facts into tables, with their checkpoint, in one transaction; where there is poison, up to right before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from projections import runner_progress as progress
from projections.runner_session import DatabaseUnavailable, Poison, RunnerError, passes
from projections.sql_projection import Gathered, Link, SqlProjection
from schema.envelope import Fact


class Checkpoint(Protocol):
    """What moves together with what is written."""

    async def before_fold(self, before: int, after: int) -> int:
        """The slot to write to. Raises Moved."""
        ...

    async def after_fold(self, before: int, after: int) -> None:
        """It is written. Raises Moved."""
        ...


class Live:
    """The checkpoint of the slot that is read. It moves first: its row is held, so nobody else folds meanwhile."""

    def __init__(self, connection: Link, projection: SqlProjection) -> None:
        self._connection = connection
        self._projection = projection

    async def before_fold(self, before: int, after: int) -> int:
        """See Checkpoint."""
        return await progress.move(self._connection, self._projection, before, after)

    async def after_fold(self, before: int, after: int) -> None:
        """Nothing is left to do."""


class Beside:
    """The checkpoint of the slot that is rebuilt. It moves last, for its row is also that of the live one.

    `live` is where the live one was at the last move.
    """

    def __init__(self, connection: Link, projection: SqlProjection, slot: int) -> None:
        self._connection = connection
        self._name = projection.name
        self._slot = slot
        self.live = 0

    async def before_fold(self, before: int, after: int) -> int:  # noqa: ARG002 see Checkpoint
        """The idle slot."""
        return self._slot

    async def after_fold(self, before: int, after: int) -> None:
        """See Checkpoint."""
        self.live = await progress.move_rebuilt(self._connection, self._name, before, after)


class Folding:
    """Folds facts in position order, `limit` at once: they are gathered while those before them are written.

    One write is under way at a time, in order. What fails in it is raised by whichever method waits for it: Poison when
    all before the poison is written, Moved or DatabaseUnavailable. `position` is the last that is written; `on_written`
    is told of it each time.
    """

    def __init__(
        self,
        connection: Link,
        projection: SqlProjection,
        checkpoint: Checkpoint,
        position: int,
        limit: int,
        on_written: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._projection = projection
        self._checkpoint = checkpoint
        self._limit = limit
        self._on_written = on_written
        self._facts: list[Fact] = []
        self._gathered = projection.gather()
        self._writing: asyncio.Task[None] | None = None
        self.position = position

    async def add(self, facts: Sequence[Fact]) -> None:
        """Gather facts at dense positions; once there are enough, begin to write when those before are written."""
        await asyncio.sleep(0)  # lets the write go on, and the next page be asked for
        self._facts.extend(facts)
        try:
            self._gathered.add(facts)
        except Exception:  # noqa: BLE001 it is raised again where the poison is found
            await self._written()
            await self._write(self._taken()[0])
        if len(self._facts) >= self._limit:
            await self._begin()

    async def flush(self) -> None:
        """Write all that was added."""
        if self._facts:
            await self._begin()
        await self._written()

    async def close(self) -> None:
        """Give up what is not committed; the connection is free then."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _begin(self) -> None:
        await self._written()
        self._writing = asyncio.create_task(self._write(*self._taken()), name=f"write-{self._projection.name}")

    async def _written(self) -> None:
        if self._writing is not None:
            await self._writing
            self._writing = None

    def _taken(self) -> tuple[list[Fact], Gathered]:
        taken = self._facts, self._gathered
        self._facts, self._gathered = [], self._projection.gather()
        return taken

    async def _write(self, facts: Sequence[Fact], gathered: Gathered | None = None) -> None:
        """Write what is gathered of the facts; where that fails, gather and write each half of them."""
        before, after = facts[0].position - 1, facts[-1].position
        try:
            if gathered is None:
                gathered = self._projection.gather()
                gathered.add(facts)
            async with self._connection.transaction():
                slot = await self._checkpoint.before_fold(before, after)
                await gathered.write(self._connection, slot)
                await self._checkpoint.after_fold(before, after)
        except RunnerError:
            raise
        except Exception as error:
            if passes(error, self._connection):
                raise DatabaseUnavailable(f"Postgres: {str(error) or 'no answer'}") from error
            if len(facts) == 1:
                raise Poison(facts[0].position, f"{type(error).__name__}: {error}") from error
            middle = len(facts) // 2
            await self._write(facts[:middle])
            await self._write(facts[middle:])
        else:
            self.position = after
            self._on_written(after)

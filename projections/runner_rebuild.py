"""Rebuilds a projection beside the one that is read, then lets them change places.

The idle slot is emptied and folded from position 0 on, with a checkpoint of its own. Close behind the live one it takes
the live one's row, so that nobody folds, folds the few that are left, and flips the slot: one transaction, which a
reader sees whole or not at all. A rebuild that is killed leaves the live slot as it was, and the next one begins anew.
"""

from __future__ import annotations

from collections.abc import Callable

import asyncpg

from projections import runner_progress as progress
from projections.runner_fold import Beside, Folding
from projections.runner_pages import JournalReader, ReadAhead
from projections.runner_session import (
    AlreadyRebuilding,
    DatabaseUnavailable,
    Moved,
    NewerVersion,
    Poison,
    RunnerError,
    lock,
    locked,
    passes,
    reading,
    writing,
)
from projections.sql_projection import Link, SqlProjection, fold

PAGE = 40_000
NEAR = 2_000
"""So few events behind the live one the rebuilt one takes its place: folding them stops the live one for a moment."""

_CLOSE_BY = 0.5
OnProgress = Callable[[int, int], None]


async def rebuild(url: str, projection: SqlProjection, on_progress: OnProgress, *, page: int = PAGE) -> None:
    """Rebuild a projection from the journal; the old one answers until the new one takes its place.

    `on_progress` is told how many events are folded, of how many. Works whether or not a runner runs.
    Raises AlreadyRebuilding, NewerVersion, Poison, Moved or DatabaseUnavailable; the old one then stays.
    """
    async with writing(url) as writer, reading(url) as session:
        if not await lock(writer, "rebuild", projection.name):
            raise AlreadyRebuilding(f"{projection.name} is being rebuilt by another process")
        row = await progress.ensure(writer, projection)
        if row.version > projection.version:
            raise NewerVersion(f"{projection.name} was folded by a newer version of tallystick")
        await _Rebuild(writer, JournalReader(session), projection, row.slot).run(on_progress, page)


async def being_rebuilt(connection: Link, name: str) -> bool:
    """Whether some process rebuilds the projection now."""
    return await locked(connection, "rebuild", name)


class _Rebuild:
    def __init__(self, writer: Link, reader: JournalReader, projection: SqlProjection, live_slot: int) -> None:
        self._writer = writer
        self._reader = reader
        self._projection = projection
        self._live_slot = live_slot
        self._idle = 1 - live_slot
        self._folded = 0

    async def run(self, on_progress: OnProgress, limit: int) -> None:
        await self._empty()
        await progress.begin_rebuild(self._writer, self._projection.name)
        target = await self._reader.head()
        beside = Beside(self._writer, self._projection, self._idle)
        ahead = ReadAhead(self._reader, 0, limit)
        folding = Folding(
            self._writer,
            self._projection,
            beside,
            position=0,
            limit=limit,
            on_written=lambda position: on_progress(position, max(target, beside.live, position)),
        )
        try:
            await self._fold(ahead, folding, lambda: max(target, beside.live - NEAR))
        finally:
            await ahead.close()
            await folding.close()
        self._folded = folding.position
        await self._change_places()
        on_progress(self._folded, self._folded)

    async def _fold(self, ahead: ReadAhead, folding: Folding, until: Callable[[], int]) -> None:
        """Fold up to a position, or to the end of the journal. Raises Poison when what comes before it is written."""
        last = 0
        while last < until():
            page = await ahead.page()
            if page.facts:
                last = page.facts[-1].position
                await folding.add(page.facts)
            if page.poison is not None:
                await folding.flush()
                raise page.poison
            if not page.facts:
                break
        await folding.flush()

    async def _change_places(self) -> None:
        try:
            async with self._writer.transaction():
                row = await progress.read_locked(self._writer, self._projection.name)
                if row.slot != self._live_slot or row.rebuilt != self._folded:
                    raise Moved(f"{self._projection.name} was rebuilt by another process")
                await self._fold_rest(row.position)
                await progress.swap(self._writer, self._projection, self._idle, self._folded)
        except RunnerError:
            raise
        except Exception as error:
            if passes(error, self._writer):
                raise DatabaseUnavailable(f"Postgres: {str(error) or 'no answer'}") from error
            raise Poison(self._folded + 1, f"{type(error).__name__}: {error}") from error

    async def _fold_rest(self, until: int) -> None:
        while self._folded < until:
            page = await self._reader.read(self._folded, min(until - self._folded, NEAR))
            if page.poison is not None:
                raise page.poison
            if not page.facts:
                return
            await fold(self._writer, self._projection, self._idle, page.facts)
            self._folded = page.facts[-1].position

    async def _empty(self) -> None:
        """Empty the idle slot at once, or row by row where an analyst's long query would hold that up."""
        for table in self._projection.tables:
            partition = f"{table}_{self._idle}"
            try:
                async with self._writer.transaction():
                    await self._writer.execute(f"SET LOCAL lock_timeout = '{int(_CLOSE_BY * 1_000)}ms'")
                    await self._writer.execute(f"TRUNCATE {partition}")
            except (asyncpg.LockNotAvailableError, asyncpg.InsufficientPrivilegeError):
                await self._writer.execute(f"DELETE FROM {table} WHERE slot = $1", self._idle)  # noqa: S608 our tables

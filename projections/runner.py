"""The one runner of all projections in SQL: it replays the journal from Postgres, then follows it as it grows.

For whoever writes a projection: `projections/sql_projection.py` is the contract. What is written at once is of at most
PAGE facts live, and of at most `runner_rebuild.PAGE` in a rebuild. It may as well be of a single fact.

Of several runners one leads each projection, by a lock of its session; the others stand by. The checkpoint moves in the
transaction of what it stands for, and only from where this runner left it: no event is folded twice or left out,
whoever dies when. Poison halts its projection, for all to see, and is never skipped; the others go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

from projections import runner_progress as progress
from projections.runner_fold import Folding, Live
from projections.runner_pages import JournalReader, ReadAhead
from projections.runner_rebuild import being_rebuilt, rebuild
from projections.runner_session import (
    AlreadyRebuilding,
    DatabaseUnavailable,
    Moved,
    NewerVersion,
    Poison,
    RunnerError,
    lock,
    reading,
    unlock,
    writing,
)
from projections.sql_projection import Link, SqlProjection

__all__ = [
    "DEFAULT_PACE",
    "PAGE",
    "AlreadyRebuilding",
    "DatabaseUnavailable",
    "NewerVersion",
    "Pace",
    "Poison",
    "Runner",
    "RunnerError",
    "SqlProjection",
    "being_rebuilt",
    "rebuild",
]

log = logging.getLogger(__name__)

PAGE = 20_000


class Pace(NamedTuple):
    """How often what is done, in seconds. `linger` is how much time of a quiet journal is folded at once."""

    linger: float = 1.0
    report: float = 0.5
    retry: float = 0.5
    standby: float = 0.2


DEFAULT_PACE = Pace()
_POLITE = 1.0


class Runner:
    """Folds projections, each by itself."""

    def __init__(
        self, url: str, projections: Sequence[SqlProjection], *, page: int = PAGE, pace: Pace = DEFAULT_PACE
    ) -> None:
        self._folders = [_Folder(url, projection, page, pace) for projection in projections]

    async def run(self) -> None:
        """Fold until cancelled."""
        async with asyncio.TaskGroup() as group:
            for folder in self._folders:
                group.create_task(folder.run(), name=f"project-{folder.name}")


class _Folder:
    """Folds one projection while it leads it."""

    def __init__(self, url: str, projection: SqlProjection, page: int, pace: Pace) -> None:
        self._url = url
        self._projection = projection
        self._page = page
        self._pace = pace
        self._leads = False
        self._said = ""
        self._trouble = ""
        self.name = projection.name

    async def run(self) -> None:
        while True:
            try:
                async with writing(self._url) as writer:
                    await self._take_turns(writer)
            except RunnerError as error:
                self._trouble = str(error)
                self._say(logging.WARNING, self._trouble)
                await asyncio.sleep(self._pace.retry)

    async def _take_turns(self, writer: Link) -> None:
        """Do what the projection's row asks for, again and again. Raises DatabaseUnavailable."""
        self._leads = False
        while True:
            row = await progress.ensure(writer, self._projection)
            with contextlib.suppress(Moved):
                if row.version > self._projection.version:
                    await self._stand_by(writer, "a newer version of tallystick folds it")
                elif row.version < self._projection.version:
                    await self._renew(writer, row)
                elif await self._lead(writer):
                    await self._follow(writer, row)
                else:
                    await self._stand_by(writer, "another process folds it")

    async def _lead(self, writer: Link) -> bool:
        if not self._leads:
            self._leads = await lock(writer, "project", self.name)
        return self._leads

    async def _stand_by(self, writer: Link, why: str) -> None:
        if self._leads:
            await unlock(writer, "project", self.name)
            self._leads = False
        self._say(logging.INFO, why)
        await asyncio.sleep(self._pace.standby)

    async def _follow(self, writer: Link, row: progress.Row) -> None:
        """Fold the journal from the checkpoint on. Raises Moved when the row is not as this runner left it."""
        state, reason = ("degraded", self._trouble) if self._trouble else ("starting", "reading the journal")
        await progress.report(writer, self.name, row, state, reason)
        try:
            async with reading(self._url) as session:
                await self._fold_on(writer, JournalReader(session), row)
        except Poison as poison:
            await self._halt(writer, poison)
        except asyncio.CancelledError:
            await self._say_stopped(writer)
            raise

    async def _fold_on(self, writer: Link, reader: JournalReader, row: progress.Row) -> None:
        await reader.listen()
        ahead = ReadAhead(reader, row.position, self._page)
        folding = Folding(writer, self._projection, Live(writer, self._projection), row.position, self._page)
        try:
            while True:
                began = time.monotonic()
                page = await ahead.page()
                await folding.add(page.facts)
                if page.full:
                    continue
                await folding.flush()
                if page.poison is not None:
                    raise page.poison
                self._trouble = ""
                self._say(logging.INFO, "running")
                if not page.facts:
                    row = row._replace(position=folding.position)
                    await progress.report(writer, self.name, row, "running", "")
                await self._rest(ahead, began)
        finally:
            await ahead.close()
            await folding.close()

    async def _rest(self, ahead: ReadAhead, began: float) -> None:
        """Let a little gather, so that a quiet journal is not folded event by event; then wait for more of it."""
        await asyncio.sleep(max(0.0, began + self._pace.linger - time.monotonic()))
        await ahead.wait(self._pace.report)

    async def _halt(self, writer: Link, poison: Poison) -> None:
        """Show the poison until a rebuild has led past it. Raises Moved then."""
        row = await progress.read(writer, self.name)
        self._say(logging.CRITICAL, f"halted: {poison}")
        while row.position == poison.position - 1:
            await progress.report(writer, self.name, row, "halted", str(poison))
            await asyncio.sleep(self._pace.report)

    async def _renew(self, writer: Link, row: progress.Row) -> None:
        """Rebuild what an older version folded; its tables answer until then. An older runner may go on meanwhile."""
        leads = await self._lead(writer)
        self._say(logging.INFO, f"version {row.version} is rebuilt as version {self._projection.version}")
        work = f"being rebuilt as version {self._projection.version}"
        done = [work]
        rebuilding = asyncio.create_task(
            rebuild(self._url, self._projection, lambda at, of: done.append(f"{work}: {at:,} of {of:,} events")),
            name=f"rebuild-{self.name}",
        )
        try:
            while not rebuilding.done():
                await self._sign(writer, row, "degraded", done[-1], leads=leads)
                done[:] = done[-1:]
                await asyncio.wait({rebuilding}, timeout=self._pace.report)
            rebuilding.result()
        except (AlreadyRebuilding, NewerVersion):
            await asyncio.sleep(self._pace.retry)
        except Poison as poison:
            self._say(logging.CRITICAL, f"the rebuild halted: {poison}")
            await self._show_until_rebuilt(writer, row, f"the rebuild halted: {poison}", leads=leads)
        finally:
            rebuilding.cancel()
            await asyncio.gather(rebuilding, return_exceptions=True)

    async def _show_until_rebuilt(self, writer: Link, row: progress.Row, reason: str, *, leads: bool) -> None:
        while (await progress.read(writer, self.name)).version == row.version:
            await self._sign(writer, row, "halted", reason, leads=leads)
            await asyncio.sleep(self._pace.report)

    async def _sign(self, writer: Link, row: progress.Row, state: str, reason: str, *, leads: bool) -> None:
        """A sign of life, where no runner of an older version gives it. Raises Moved."""
        if leads:
            await progress.report(writer, self.name, row, state, reason)
        else:
            await progress.read(writer, self.name)

    async def _say_stopped(self, writer: Link) -> None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_POLITE):
                await progress.say_stopped(writer, self.name)

    def _say(self, level: int, what: str) -> None:
        """Log what is new."""
        if what != self._said:
            self._said = what
            log.log(level, "the projection %s: %s", self.name, what)

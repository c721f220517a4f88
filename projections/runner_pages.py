"""Reads the journal in pages, by position, and decodes them; the next page while the present one is gathered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from projections.runner_session import Poison
from projections.sql_projection import Link
from schema.envelope import Fact
from schema.events import decode

_READ = """
    SELECT position, stream, version, type, data::text, recorded_at, source FROM journal.events
    WHERE position > $1 ORDER BY position LIMIT $2
"""
_HEAD = "SELECT position FROM journal.head"
_CHANNEL = "tallystick_journal"

READ = 2_000
"""So many at once: decoding and gathering them holds up the write that is under way for some milliseconds."""

Row = Sequence[Any]


class Page(NamedTuple):
    """Facts at dense positions; `full` if there may be more. `poison` is what follows, where that cannot be read."""

    facts: list[Fact]
    full: bool
    poison: Poison | None = None


def decoded(rows: Iterable[Row], after: int, *, full: bool) -> Page:
    """The facts of rows that follow the position `after`. It ends before a hole and before what cannot be decoded."""
    facts: list[Fact] = []
    append, make = facts.append, Fact._make
    expected = after
    try:
        for position, stream, version, event_type, data, recorded_at, source in rows:
            expected += 1
            if position != expected:
                raise LookupError(f"the journal goes on with {position}")
            append(make((position, stream, version, decode(event_type, data), recorded_at, source)))
    except Exception as error:  # noqa: BLE001 whatever an unreadable event raises, the fold halts before it
        return Page(facts, full=False, poison=Poison(expected, f"{type(error).__name__}: {error}"))
    return Page(facts, full)


class JournalReader:
    """Pages of the journal on one session, which also hears when it grows."""

    def __init__(self, connection: Link) -> None:
        self._connection = connection
        self._statement: Any = None
        self.grown = asyncio.Event()
        connection.add_termination_listener(lambda *_: self.grown.set())

    async def listen(self) -> None:
        """Hear from now on of what is committed."""
        await self._connection.add_listener(_CHANNEL, lambda *_: self.grown.set())

    async def read(self, after: int, limit: int) -> Page:
        """The next page."""
        if self._statement is None:
            self._statement = await self._connection.prepare(_READ)
        rows = await self._statement.fetch(after, limit)
        return decoded(rows, after, full=len(rows) == limit)

    async def head(self) -> int:
        """The last position given out."""
        return int(await self._connection.fetchval(_HEAD))


class ReadAhead:
    """Pages of at most `limit` and READ facts, one after another; the one after a full page is read at once."""

    def __init__(self, reader: JournalReader, after: int, limit: int) -> None:
        self._reader = reader
        self._limit = min(limit, READ)
        self._after = after
        self._next: asyncio.Task[Page] | None = None

    async def page(self) -> Page:
        """The next page, empty at the end of the journal."""
        page = await (self._next or self._read())
        self._after += len(page.facts)
        self._next = asyncio.create_task(self._read(), name="read-ahead") if page.full else None
        return page

    async def wait(self, seconds: float) -> None:
        """Return when the journal has grown, or after a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._reader.grown.wait()

    async def close(self) -> None:
        """Read no more."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)

    async def _read(self) -> Page:
        self._reader.grown.clear()
        return await self._reader.read(self._after, self._limit)

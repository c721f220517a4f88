"""The newest events of the journal, read once for all the streams of a worker, and held in a ring of bounded size.

It reads only while somebody listens. Postgres tells of a commit when it is done, so that nothing is told that is not
committed; it is read by position, so that what was not told (a lost connection) is read all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import asyncpg

from schema.envelope import RECORDED_COLUMNS, RecordedEvent
from service.audit.frames import frame
from service.journal.leader import POSTGRES_FAILURES
from service.journal.port import JournalUnavailable
from service.journal.postgres import connect

log = logging.getLogger(__name__)

_EVENTS = 4_096
_BYTES = 8 * 1_024 * 1_024
_PAGE = 500
_TOLD = 256
_RETRY = 0.5
_SILENCE = 1.0
_TIMEOUT = 5.0
_SESSION = "SET enable_seqscan = off; SET enable_bitmapscan = off"
_READ = f"SELECT {RECORDED_COLUMNS} FROM journal.events WHERE position > $1 ORDER BY position LIMIT {_PAGE}"  # noqa: S608 constant
_HEAD = "SELECT position FROM journal.head"


class LiveEvent(NamedTuple):
    """An event, and what is sent of it."""

    event: RecordedEvent
    frame: bytes


class Ring:
    """The newest events in an unbroken row: those after `begin`, up to `end`. It holds at most twice as many `events`,
    or bytes, as it keeps.
    """

    def __init__(self, begin: int, events: int, size: int) -> None:
        self.begin = self.end = begin
        self._limits = events, size
        self._held: list[LiveEvent] = []
        self._size = 0

    def add(self, event: RecordedEvent) -> None:
        """The next event. Where positions are missing before it, the row begins anew."""
        if event.position != self.end + 1:
            self._held, self._size, self.begin = [], 0, event.position - 1
        live = LiveEvent(event, frame(event))
        self._held.append(live)
        self._size += _size_of(live)
        self.end = event.position
        events, size = self._limits
        # Twice what is kept, then half of it is dropped: one by one would copy the row each time.
        if len(self._held) > 2 * events or self._size > 2 * size:
            self._drop()

    def after(self, position: int) -> list[LiveEvent] | None:
        """What comes after a position, not all at once; None where the row begins later than that."""
        if position < self.begin:
            return None
        first = position - self.begin
        return self._held[first : first + _TOLD]

    def _drop(self) -> None:
        half = len(self._held) // 2 + 1
        self._size -= sum(map(_size_of, self._held[:half]))
        del self._held[:half]
        self.begin = self.end - len(self._held)


class LiveEvents:
    """A ring that follows the journal at `url` while somebody listens."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ring: Ring | None = None
        self._listeners = 0
        self._task: asyncio.Task[None] | None = None
        self._grew = asyncio.Event()

    @contextlib.contextmanager
    def listened(self) -> Iterator[None]:
        """Follow the journal for the body's duration."""
        self._listeners += 1
        if self._task is None:
            # It goes on for others: it is not within the trace of the request that came first.
            self._task = asyncio.create_task(self._follow(), name="audit-live", context=contextvars.Context())
        try:
            yield
        finally:
            self._listeners -= 1
            if not self._listeners:
                self._task.cancel()
                self._task, self._ring = None, None

    def after(self, position: int) -> list[LiveEvent] | None:
        """What came after a position, not all at once; None where the journal must be asked."""
        return None if self._ring is None else self._ring.after(position)

    async def grown(self, position: int, seconds: float) -> None:
        """Return when there is something after a position; after some seconds in any case."""
        grew = self._grew
        if self._ring is not None and self._ring.end > position:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await grew.wait()

    async def _follow(self) -> None:
        while True:
            try:
                connection = await connect(self._url, _TIMEOUT)
                try:
                    await self._read(connection)
                finally:
                    connection.terminate()
            except (JournalUnavailable, TimeoutError, *POSTGRES_FAILURES) as error:
                log.warning("live events wait for Postgres: %s", error)
                await asyncio.sleep(_RETRY)

    async def _read(self, connection: asyncpg.Connection[Any]) -> None:
        told = asyncio.Event()
        await connection.execute(_SESSION, timeout=_TIMEOUT)
        connection.add_termination_listener(lambda *_: told.set())
        await connection.add_listener("tallystick_journal", lambda *_: told.set())
        if self._ring is None:
            self._ring = Ring(int(await connection.fetchval(_HEAD, timeout=_TIMEOUT)), _EVENTS, _BYTES)
        while True:
            told.clear()
            await self._read_to_the_end(connection, self._ring)
            with contextlib.suppress(TimeoutError):
                # Silence may be a connection that nobody told of its end: then reading fails.
                async with asyncio.timeout(_SILENCE):
                    await told.wait()

    async def _read_to_the_end(self, connection: asyncpg.Connection[Any], ring: Ring) -> None:
        while True:
            rows = await connection.fetch(_READ, ring.end, timeout=_TIMEOUT)
            for row in rows:
                ring.add(RecordedEvent.from_row(row))
            if rows:
                grew, self._grew = self._grew, asyncio.Event()
                grew.set()
            if len(rows) < _PAGE:
                return


def _size_of(live: LiveEvent) -> int:
    return 2 * len(live.frame)

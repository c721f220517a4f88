"""One reader's stream: everything after a position that matches, in order, as it comes.

What the reader does not take is not read for it: each piece waits until the connection has room for it, and what is in
memory is that piece. Who falls behind the live events is given the journal's, and never notices.

Before each piece, and every second, the reader's token is looked at again (promise 4). While that cannot be known
nothing is sent, and where it cannot be known for too long the stream ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from litestar.types import Send

from service.audit.filters import Filters
from service.audit.frames import frame, heartbeat, opening, pieces
from service.audit.streams import AuditStreams
from service.http.request import HttpRequest
from service.http.response import ANY_ORIGIN
from service.http.slow import sent_within
from service.journal.port import JournalUnavailable
from service.own_api.bearer import Caller

log = logging.getLogger(__name__)

VARY = (b"vary", b"Accept")
_HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-accel-buffering", b"no"),
    VARY,
    ANY_ORIGIN,
)
_PAGE = 500
_LOOK_AGAIN = 1.0
_PATIENCE = 10.0
_STALLED = 60.0
_LAST_WORDS = 1.0
_RETRY = 0.2


class EventStream:
    """A response that goes on until the reader hangs up, its token ends, or the worker stops.

    `place` holds its place among the streams, and is given up at the end.
    """

    status = 200

    def __init__(
        self,
        streams: AuditStreams,
        place: ExitStack,
        request: HttpRequest,
        caller: Caller,
        after: int,
        filters: Filters,
    ) -> None:
        self._streams = streams
        self._place = place
        self._request = request
        self._caller = caller
        self._position = after
        self._filters = filters

    async def send(self, send: Send) -> None:
        """Send it."""
        with self._place:
            writing = asyncio.create_task(self._write(send), name="audit-stream")
            watching = asyncio.create_task(self._watch(), name="audit-stream-watch")
            gone = asyncio.create_task(self._request.gone(), name="audit-stream-gone")
            tasks = (writing, watching, gone)
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            _tell_failures(outcomes)
            if not gone.done() or gone.cancelled():
                await self._end(send)

    async def _write(self, send: Send) -> None:
        start: Any = {"type": "http.response.start", "status": self.status, "headers": list(_HEADERS)}
        await send(start)
        await _put(send, opening(self._position))
        spoke = time.monotonic()
        while True:
            silence = self._streams.heartbeat - (time.monotonic() - spoke)
            frames, position = await self._next(max(0.0, silence))
            for piece in pieces(frames):
                if not await self._allowed():
                    return
                await _put(send, piece)
                spoke = time.monotonic()
            self._position = position
            if time.monotonic() - spoke >= self._streams.heartbeat:
                if not await self._allowed():
                    return
                await _put(send, heartbeat(position))
                spoke = time.monotonic()
            await asyncio.sleep(0)

    async def _next(self, seconds: float) -> tuple[Iterable[bytes], int]:
        """What matches of what comes next, and how far that is; nothing where nothing comes for some seconds."""
        after, live = self._position, self._streams.live
        held = live.after(after)
        if held:
            return [one.frame for one in held if self._filters.match(one.event)], held[-1].event.position
        if held is None:
            try:
                page = await self._streams.reader.page(after, _PAGE, self._filters)
            except JournalUnavailable:
                await asyncio.sleep(_RETRY)
                return (), after
            if page.next > after:
                return map(frame, page.events), page.next
        await live.grown(after, min(seconds, _LOOK_AGAIN))
        return (), after

    async def _allowed(self) -> bool:
        """Whether the token is active; waits until that is known, which the watch does not do for ever."""
        while True:
            try:
                return await self._caller.still_active()
            except JournalUnavailable:
                await asyncio.sleep(_RETRY)

    async def _watch(self) -> None:
        """Return when the stream must end, whatever the writer waits for."""
        known = time.monotonic()
        while not self._streams.closing.is_set():
            try:
                if not await self._caller.still_active():
                    return
                known = time.monotonic()
            except JournalUnavailable:
                if time.monotonic() - known > _PATIENCE:
                    return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN):
                    await self._streams.closing.wait()

    async def _end(self, send: Send) -> None:
        """End the answer; the connection of a reader that does not take the rest within a second is cut."""
        last: Any = {"type": "http.response.body", "body": b"", "more_body": False}
        await sent_within(_LAST_WORDS, send, [last], self._request.transport)


async def _put(send: Send, piece: bytes) -> None:
    """Hand a piece to the connection, once it has room. Raises TimeoutError where the reader has long taken nothing."""
    body: Any = {"type": "http.response.body", "body": piece, "more_body": True}
    async with asyncio.timeout(_STALLED):
        await send(body)


def _tell_failures(outcomes: Iterable[object]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, TimeoutError):
            log.error("an audit stream failed", exc_info=outcome)

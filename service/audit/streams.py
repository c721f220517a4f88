"""The streams of one worker: how many there may be, what they share, and when all of them end."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator

from service.audit.journal_reader import JournalReader
from service.audit.live import LiveEvents
from service.errors import TooBusy
from service.settings import Settings
from service.telemetry.metrics import AUDIT_STREAMS

_RETRY_AFTER = 5


class AuditStreams:
    """What reads the record for HTTP: pages of the past, live events, and the streams that are open."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.reader = JournalReader(url, settings.commit_deadline)
        self.live = LiveEvents(url)
        self.heartbeat = settings.audit_heartbeat
        self.closing = asyncio.Event()
        self._limit = settings.audit_streams_limit
        self._open = 0
        self._of: Counter[str] = Counter()

    @contextlib.contextmanager
    def place(self, client_id: str) -> Iterator[None]:
        """A place among the streams of this worker, half of which one client may have. Raises TooBusy."""
        if self._open >= self._limit or self._of[client_id] >= max(self._limit // 2, 1):
            raise TooBusy("too_many_streams", "There are too many streams here. Try again.", _RETRY_AFTER)
        self._open += 1
        self._of[client_id] += 1
        AUDIT_STREAMS.inc()
        try:
            with self.live.listened():
                yield
        finally:
            self._open -= 1
            self._of -= Counter([client_id])
            AUDIT_STREAMS.dec()

    def close(self) -> None:
        """End all streams: their readers go on elsewhere."""
        self.closing.set()

    async def stop(self) -> None:
        """Disconnect."""
        self.close()
        await self.reader.stop()

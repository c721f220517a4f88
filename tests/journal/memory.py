"""The journal in memory: the whole contract of the port, for tests that need no database."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from schema.envelope import RecordedEvent, client_of
from schema.events import encode
from schema.streams import ENTITY_STREAMS_FROM
from service.journal.group_commit import GroupCommit, Outcome
from service.journal.port import AlreadyUsed, Append, Appended, JournalUnavailable, VersionConflict


class MemoryStore:
    """What is committed; several journals may share it. While `gate` is closed no commit goes through."""

    def __init__(self) -> None:
        self.events: list[RecordedEvent] = []
        self.versions: Counter[UUID] = Counter()
        self.used: set[bytes] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Event()


class MemoryJournal:
    """Implements `service.journal.port.Journal`, with the same group commit as the one in Postgres."""

    def __init__(self, store: MemoryStore, *, deadline: float, limit: int, batch: int) -> None:
        self._store = store
        self._group = GroupCommit(self._commit, limit=limit, batch=batch, deadline=deadline)

    @property
    def queue_depth(self) -> int:
        """How many appends wait or are in flight."""
        return self._group.depth

    async def start(self) -> None:
        """Begin to commit."""
        self._group.start()

    async def stop(self) -> None:
        """Commit what waits, then end."""
        await self._group.stop()

    async def append(self, request: Append) -> Appended:
        """See the port."""
        return await self._group.submit(request)

    async def read(self, after: int, limit: int) -> list[RecordedEvent]:
        """See the port."""
        await asyncio.sleep(0)
        return self._store.events[after : after + limit]

    async def read_stream(self, stream: UUID) -> list[RecordedEvent]:
        """See the port."""
        await asyncio.sleep(0)
        return [event for event in self._store.events if event.stream == stream]

    async def read_entities(self) -> tuple[list[RecordedEvent], int]:
        """See the port."""
        await asyncio.sleep(0)
        entities = [event for event in self._store.events if event.stream >= ENTITY_STREAMS_FROM]
        return entities, len(self._store.events)

    async def head(self) -> int:
        """See the port."""
        await asyncio.sleep(0)
        return len(self._store.events)

    async def _commit(self, requests: Sequence[Append]) -> Sequence[Outcome]:
        self._store.waiting.set()
        await self._store.gate.wait()
        recorded_at = dt.datetime.now(dt.UTC)
        return [self._commit_one(request, recorded_at) for request in requests]

    def _commit_one(self, request: Append, recorded_at: dt.datetime) -> Outcome:
        store = self._store
        try:
            recorded = self._recorded(request, recorded_at)
        except ValueError:
            return JournalUnavailable("the event cannot be kept")
        if request.events and store.versions[request.stream] != request.expected_version:
            return VersionConflict(str(request.stream))
        if request.once is not None:
            if request.once.key in store.used:
                return AlreadyUsed(str(request.stream))
            store.used.add(request.once.key)
        first = len(store.events) + 1
        store.events += recorded
        store.versions[request.stream] += len(recorded)
        return Appended(first, len(store.events), recorded_at)

    def _recorded(self, request: Append, recorded_at: dt.datetime) -> list[RecordedEvent]:
        actor, source, trace = request.context
        recorded = [
            RecordedEvent(
                position=len(self._store.events) + place,
                stream=request.stream,
                version=request.expected_version + place,
                type=event.TYPE,
                client=client_of(event),
                data=encode(event).decode(),
                actor=actor,
                source=source,
                trace=trace,
                recorded_at=recorded_at,
            )
            for place, event in enumerate(request.events, start=1)
        ]
        for event in recorded:
            if "\\u0000" in event.data or "\0" in f"{actor}{source}{trace}":
                raise ValueError("Postgres keeps no NUL byte")
        return recorded

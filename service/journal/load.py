"""Reads short-lived streams on demand: from memory where they are there, else from Postgres, once for all who ask."""

from __future__ import annotations

import asyncio
import time
from typing import Generic, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from projections.stream_cache import Entry, StreamCache
from service.journal.port import Journal

E = TypeVar("E", bound=Entry)


class StreamLoader(Generic[E]):
    """The entries of a cache, and those that it does not hold. `hits` and `misses` count what was asked for."""

    def __init__(self, cache: StreamCache[E], journal: Journal) -> None:
        self._cache = cache
        self._journal = journal
        self.hits = self.misses = 0
        self._loads: dict[UUID, asyncio.Task[E | None]] = {}
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def get(self, stream: UUID) -> E | None:
        """What a stream's events make, None if it has none. Raises JournalUnavailable."""
        known = self._cache.get(stream)
        if known is not None:
            self.hits += 1
            return known
        self.misses += 1
        load = self._loads.get(stream)
        if load is None:
            load = asyncio.create_task(self._load(stream))
            self._loads[stream] = load
        return await asyncio.shield(load)

    async def reload(self, stream: UUID) -> E:
        """What a stream's events make as of now, whatever memory holds. Raises JournalUnavailable."""
        return self._cache.fold(event.fact() for event in await self._journal.read_stream(stream))

    def turn(self, stream: UUID) -> asyncio.Lock:
        """What to hold while a stream is changed, so that its changes by this worker do not conflict; it is gone with
        the last who asked for it.
        """
        return self._turns.setdefault(stream, asyncio.Lock())

    async def newest(self, stream: UUID) -> E | None:
        """What a stream's events make, those not folded here yet included: for what another worker did a moment ago.

        Whatever was folded here meanwhile counts, so that it never hides a revocation. Raises JournalUnavailable.
        """
        reloaded = await self.reload(stream)
        known = self._cache.get(stream)
        if known is None:
            return await self.get(stream)
        return known if known.version >= reloaded.version else reloaded

    async def _load(self, stream: UUID) -> E | None:
        self._cache.begin_load(stream)
        try:
            recorded = await self._journal.read_stream(stream)
            return self._cache.finish_load(stream, [event.fact() for event in recorded], time.time())
        finally:
            self._cache.abandon_load(stream)
            del self._loads[stream]

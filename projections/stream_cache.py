"""A bounded memory of short-lived streams, each folded into one entry: grants, sessions.

The cache holds streams that began while this process lives; any other is read from Postgres on demand. While a
stream is being read, events of it that arrive by the feed are kept beside and folded after, so that a load never
hides a revocation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from schema.envelope import Fact


class Entry(Protocol):
    """What a stream's events make."""

    version: int

    def apply(self, fact: Fact) -> None:
        """Fold one event of this stream; one that was folded before changes nothing."""

    def expired(self, now: float) -> bool:
        """Whether nothing of it can be of use any more by its own lifetime."""


E = TypeVar("E", bound=Entry)


class StreamCache(Generic[E]):
    """The streams that began most recently, at most `limit`.

    `new` makes an entry without events; `began` gives the moment (seconds) of an event that may begin such a stream,
    None for any other.
    """

    def __init__(self, limit: int, new: Callable[[], E], began: Callable[[Fact], int | None]) -> None:
        self._limit = limit
        self._new = new
        self._began = began
        self._entries: dict[UUID, E] = {}
        self._order: deque[UUID] = deque()
        self._arriving: dict[UUID, list[Fact]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, stream: UUID) -> E | None:
        """The entry, if it is in the cache."""
        return self._entries.get(stream)

    def fold(self, facts: Iterable[Fact]) -> E:
        """The entry that a stream's events make; its version is 0 if there are none."""
        entry = self._new()
        for fact in facts:
            entry.apply(fact)
        return entry

    def apply(self, fact: Fact) -> None:
        """Fold one event; one of a stream that is not in the cache is left to the next load of it."""
        entry = self._entries.get(fact.stream)
        if entry is not None:
            entry.apply(fact)
        elif fact.version == 1 and (moment := self._began(fact)) is not None:
            self._add(fact.stream, self.fold([fact]), moment)
        if fact.stream in self._arriving:
            self._arriving[fact.stream].append(fact)

    def begin_load(self, stream: UUID) -> None:
        """From now on keep this stream's events beside, until `finish_load`."""
        self._arriving.setdefault(stream, [])

    def finish_load(self, stream: UUID, facts: Iterable[Fact], now: float) -> E | None:
        """Take in what was read from a stream, with what arrived meanwhile; None if it has no events."""
        arrived = self._arriving.pop(stream, [])
        known = self._entries.get(stream)
        if known is not None:
            return known
        entry = self.fold([*facts, *arrived])
        if not entry.version:
            return None
        if not entry.expired(now):
            self._add(stream, entry, int(now))
        return entry

    def abandon_load(self, stream: UUID) -> None:
        """A load that failed: forget what was kept beside."""
        self._arriving.pop(stream, None)

    def _add(self, stream: UUID, entry: E, now: int) -> None:
        self._sweep(now)
        self._entries[stream] = entry
        self._order.append(stream)

    def _sweep(self, now: int) -> None:
        """Look at the two that were looked at longest ago: an expired one goes, a live one stays unless the cache is
        full.
        """
        for _ in range(min(2, len(self._order))):
            oldest = self._order.popleft()
            if self._entries[oldest].expired(now) or len(self._order) >= self._limit - 1:
                del self._entries[oldest]
            else:
                self._order.append(oldest)

"""A bounded memory of short-lived streams, each folded into one entry: grants, sessions.

The cache holds streams that began while this process lives; any other is read from Postgres on demand. While a
stream is being read, events of it that arrive by the feed are kept beside and folded after, so that a load never
hides a revocation.

A few thousand entries, those that came last or were asked for last, are awake: objects, which events change. The
others are packed (docs/adr/0017-grants-at-rest.md), and wake when they are asked for or an event of theirs comes. One
that somebody holds when it is packed wakes as the same object: who holds an entry sees what happens to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from projections.packed_streams import PackedStreams
from schema.envelope import Fact

AWAKE = 8_192


class Entry(Protocol):
    """What a stream's events make."""

    version: int

    @property
    def until(self) -> int:
        """The moment, in seconds, from which nothing of it can be of use any more by its own lifetime."""

    def apply(self, fact: Fact) -> None:
        """Fold one event of this stream; one that was folded before changes nothing."""


E = TypeVar("E", bound=Entry)


class Packing(Protocol[E]):
    """How entries are packed. What comes of unpacking MUST be equal to what was packed."""

    def pack(self, entry: E, /) -> bytes:
        """An entry as bytes."""

    def unpack(self, data: bytes, /) -> E:
        """The entry again."""


class StreamCache(Generic[E]):
    """The streams that began most recently, at most `limit`, of which `awake` are objects.

    `new` makes an entry without events; `began` gives the moment (seconds) of an event that may begin such a stream,
    None for any other.
    """

    def __init__(
        self,
        limit: int,
        new: Callable[[], E],
        began: Callable[[Fact], int | None],
        packing: Packing[E],
        awake: int,
    ) -> None:
        self._limit = limit
        self._new = new
        self._began = began
        self._packing = packing
        self._awake = awake
        self._entries: dict[UUID, E] = {}
        self._order: deque[UUID] = deque()
        self._packed = PackedStreams(limit)
        self._held: WeakValueDictionary[UUID, E] = WeakValueDictionary()
        self._arriving: dict[UUID, list[Fact]] = {}

    def __len__(self) -> int:
        return len(self._entries) + len(self._packed)

    def get(self, stream: UUID) -> E | None:
        """The entry, if it is in the cache."""
        entry = self._entries.get(stream)
        return self._woken(stream) if entry is None else entry

    def fold(self, facts: Iterable[Fact]) -> E:
        """The entry that a stream's events make; its version is 0 if there are none."""
        entry = self._new()
        for fact in facts:
            entry.apply(fact)
        return entry

    def apply(self, fact: Fact) -> None:
        """Fold one event; one of a stream that is not in the cache is left to the next load of it."""
        entry = self.get(fact.stream)
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
        known = self.get(stream)
        if known is not None:
            return known
        entry = self.fold([*facts, *arrived])
        if not entry.version:
            return None
        if entry.until > now:
            self._add(stream, entry, int(now))
        return entry

    def abandon_load(self, stream: UUID) -> None:
        """A load that failed: forget what was kept beside."""
        self._arriving.pop(stream, None)

    def _add(self, stream: UUID, entry: E, now: int) -> None:
        self._sweep(now)
        while len(self) >= self._limit:
            self._drop_one()
        self._keep(stream, entry)

    def _sweep(self, now: int) -> None:
        """Look at the two of those awake that were looked at longest ago, and at a few that are packed: an expired one
        goes. Where all places are taken the oldest gives its own up.
        """
        for _ in range(min(2, len(self._order))):
            oldest = self._order.popleft()
            if self._entries[oldest].until <= now:
                del self._entries[oldest]
            elif len(self._order) >= self._awake - 1:
                self._lay_down(oldest)
            else:
                self._order.append(oldest)
        if self._packed:
            self._packed.sweep(now)

    def _drop_one(self) -> None:
        if self._packed:
            self._packed.drop_one()
        else:
            del self._entries[self._order.popleft()]

    def _keep(self, stream: UUID, entry: E) -> None:
        self._entries[stream] = entry
        self._order.append(stream)
        if len(self._order) > self._awake:
            self._lay_down(self._order.popleft())

    def _lay_down(self, stream: UUID) -> None:
        entry = self._entries.pop(stream)
        self._packed.put(stream, entry.until, self._packing.pack(entry))
        self._held[stream] = entry

    def _woken(self, stream: UUID) -> E | None:
        data = self._packed.take(stream)
        if data is None:
            return None
        entry = self._held.get(stream) or self._packing.unpack(data)
        self._keep(stream, entry)
        return entry

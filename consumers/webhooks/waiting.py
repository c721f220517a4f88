"""The events that a webhook has not taken yet, in order for each stream: one is tried once those before it are done."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from uuid import UUID

import msgspec

from schema.envelope import RecordedEvent


class Waiting(msgspec.Struct, kw_only=True, gc=False, eq=False):
    """An event that waits since a time, after so many failed attempts; the next is due at a time.

    `early`: it may be tried at once, and that attempt is not counted, because the endpoint is well again. Where it then
    fails it is `stubborn`, and waits until it is due.
    """

    event: RecordedEvent
    since: float
    attempts: int = 0
    due: float = 0.0
    error: str = ""
    tried_at: float = 0.0
    early: bool = False
    stubborn: bool = False
    busy: bool = False

    @property
    def position(self) -> int:
        """The event's position."""
        return self.event.position

    def failed(self, now: float, due: float, error: str) -> None:
        """It was tried and not taken; it is due at another time, where this attempt counted."""
        counted = due != self.due
        self.attempts += counted
        self.due, self.error, self.tried_at = due, error, now
        self.early, self.stubborn = False, not counted


class WaitingEvents:
    """What waits, by stream."""

    def __init__(self) -> None:
        self._streams: dict[UUID, deque[Waiting]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Waiting]:
        for line in self._streams.values():
            yield from line

    def add(self, waiting: Iterable[Waiting]) -> None:
        """Put events at the end; they MUST come by position."""
        for each in waiting:
            self._streams.setdefault(each.event.stream, deque()).append(each)
            self._count += 1

    def done(self, waiting: Waiting) -> None:
        """The first of its stream waits no more."""
        line = self._streams[waiting.event.stream]
        assert line[0] is waiting, "only the first of a stream is tried"  # noqa: S101 an order that must hold
        line.popleft()
        self._count -= 1
        if not line:
            del self._streams[waiting.event.stream]

    def ready(self, now: float, room: int) -> list[Waiting]:
        """What may be tried now, at most `room`, the longest due first."""
        if room < 1:
            return []
        due = (head for head in self._heads() if head.early or head.due <= now)
        return heapq.nsmallest(room, due, key=lambda head: (head.due, head.position))

    def probe(self) -> list[Waiting]:
        """What to find out with whether the endpoint is well again: what was tried the longest ago, due or not."""
        head = min(self._heads(), key=lambda head: (head.tried_at, head.position), default=None)
        return [] if head is None else [head]

    def next_due(self) -> float | None:
        """When something may be tried next; None where nothing waits for its time."""
        return min((0.0 if head.early else head.due for head in self._heads()), default=None)

    def hasten(self) -> None:
        """The endpoint is well again: what failed meanwhile need not wait until it is due."""
        for each in self:
            each.early = not each.stubborn

    def trouble(self) -> tuple[float, str] | None:
        """Since when the first that failed waits, and its error."""
        failed = [each for each in self if each.error]
        return min(((each.since, each.error) for each in failed), default=None)

    def _heads(self) -> Iterator[Waiting]:
        return (line[0] for line in self._streams.values() if not line[0].busy)

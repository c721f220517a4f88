"""A cache of streams as a worker uses it: events come by the feed while reads of single streams are under way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar
from uuid import UUID

from hypothesis import strategies as st

from projections.stream_cache import Entry, StreamCache
from schema.envelope import Fact

E = TypeVar("E", bound=Entry)


def of_stream(facts: Iterable[Fact], stream: UUID) -> list[Fact]:
    """The facts of one stream."""
    return [fact for fact in facts if fact.stream == stream]


class Feeding(Generic[E]):
    """A history that is committed, fed and read in an order that a test draws.

    A read sees all that was committed when it was made, which may be more than the feed has brought, and comes back
    at any time after.
    """

    def __init__(self, cache: StreamCache[E], facts: list[Fact]) -> None:
        self.cache = cache
        self.facts = facts
        self.streams = sorted({fact.stream for fact in facts})
        self._committed = 0
        self._fed = 0
        self._reads: dict[UUID, list[Fact] | None] = {}

    def step(self, data: st.DataObject) -> None:
        """One thing happens; whatever the cache says of any stream is right after it."""
        stream = data.draw(st.sampled_from(self.streams))
        match data.draw(st.sampled_from(("commit", "feed", "begin", "read", "finish", "abandon"))):
            case "commit":
                self._committed = min(len(self.facts), self._committed + data.draw(st.integers(1, 5)))
            case "feed":
                self._feed(min(self._committed, self._fed + data.draw(st.integers(1, 5))))
            case "begin" if stream not in self._reads and self.cache.get(stream) is None:
                self._reads[stream] = None
                self.cache.begin_load(stream)
            case "read" if stream in self._reads:
                self._reads[stream] = of_stream(self.facts[: self._committed], stream)
            case "finish" if (read := self._reads.get(stream)) is not None:
                del self._reads[stream]
                now = data.draw(st.sampled_from((0, 400, 10_000)))
                self._right(stream, self.cache.finish_load(stream, read, now))
            case "abandon":
                self._reads.pop(stream, None)
                self.cache.abandon_load(stream)
        self._all_right()

    def finish(self) -> None:
        """All is committed and fed; what the cache holds is whole."""
        self._committed = len(self.facts)
        self._feed(self._committed)
        self._all_right()

    def _feed(self, position: int) -> None:
        for fact in self.facts[self._fed : position]:
            self.cache.apply(fact)
        self._fed = position

    def _all_right(self) -> None:
        for stream in self.streams:
            if (entry := self.cache.get(stream)) is not None:
                self._right(stream, entry)

    def _right(self, stream: UUID, entry: E | None) -> None:
        """It is what the stream's first events make, all that were fed among them, and none that is not committed."""
        version = entry.version if entry is not None else 0
        fed, committed = (len(of_stream(self.facts[:place], stream)) for place in (self._fed, self._committed))
        assert fed <= version <= committed
        if entry is not None:
            assert self.cache.fold(of_stream(self.facts, stream)[:version]) == entry

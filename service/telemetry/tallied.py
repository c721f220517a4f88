"""Counters and histograms for what happens with each request: they count in memory, and write it down together.

Workers of one node share what they count in a file, and to write there costs more than to count. Who shows what was
counted writes first what this process has counted; each worker writes once a second besides, and when it ends. What a
killed worker counted in its last second is not in the figures; it is in the events.

One thread counts. Any may write: what was written is remembered beside, so that nothing is lost between the two.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from threading import Lock
from typing import Any

from prometheus_client import Counter, Histogram
from prometheus_client.samples import Sample

_children: list[TalliedCounter | TalliedHistogram] = []
_writing = Lock()


def write_tallies() -> None:
    """Write down all that was counted."""
    for child in _children:
        child.write()


class TalliedCounter(Counter):
    """A counter that is written down later."""

    def _metric_init(self) -> None:
        super()._metric_init()
        self._tally = self._written = 0.0
        _children.append(self)

    def inc(self, amount: float = 1, exemplar: dict[str, str] | None = None) -> None:  # noqa: ARG002 theirs
        """Count."""
        self._tally += amount

    def write(self) -> None:
        """Write down what was counted since."""
        with _writing:
            since = self._tally - self._written
            if since:
                self._written += since
                super().inc(since)

    def _child_samples(self) -> Iterable[Sample]:
        self.write()
        return super()._child_samples()


class TalliedHistogram(Histogram):
    """A histogram that is written down later."""

    def _metric_init(self) -> None:
        super()._metric_init()
        self._tallies = [0] * len(self._upper_bounds)
        self._written = [0] * len(self._upper_bounds)
        self._total = self._total_written = 0.0
        _children.append(self)

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:  # noqa: ARG002 theirs
        """Count one of that size."""
        self._tallies[bisect_left(self._upper_bounds, amount)] += 1
        self._total += amount

    def write(self) -> None:
        """Write down what was counted since."""
        with _writing:
            for place, number in enumerate(self._tallies):
                if number != self._written[place]:
                    bucket: Any = self._buckets[place]
                    bucket.inc(number - self._written[place])
                    self._written[place] = number
            if self._total != self._total_written:
                total = self._total
                self._sum.inc(total - self._total_written)
                self._total_written = total

    def _child_samples(self) -> Iterable[Sample]:
        self.write()
        return super()._child_samples()

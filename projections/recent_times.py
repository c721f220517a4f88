"""When things happened of late, by a key, in memory, bounded even while somebody makes keys up."""

from __future__ import annotations

from collections import OrderedDict


class RecentTimes:
    """The latest `kept` moments (seconds) of each key; of the keys, the `limit` that had one most recently."""

    def __init__(self, kept: int, limit: int) -> None:
        self._kept = kept
        self._limit = limit
        self._moments: OrderedDict[str, tuple[float, ...]] = OrderedDict()

    def of(self, key: str) -> tuple[float, ...]:
        """The moments of a key, oldest first."""
        return self._moments.get(key, ())

    def add(self, key: str, moment: float) -> None:
        """Note one, in whatever order."""
        moments = self._moments.pop(key, ())
        self._moments[key] = tuple(sorted((*moments, moment))[-self._kept :])
        if len(self._moments) > self._limit:
            self._moments.popitem(last=False)

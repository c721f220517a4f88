"""Token buckets: how much each of many callers has asked of late, in memory, bounded however many callers there are.

A bucket is held as the moment at which it will be full again (the generic cell rate algorithm), so that a caller is
one number and time needs no ticking. What a caller takes here is told to the other workers (`sharing.py`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

_PENALTY = 10.0
"""Seconds for which a caller that did not stop is over a limit with `penalty`, once it has stopped."""

_SHARED_PART = 20
"""A caller is shared when it took a twentieth of a bucket: who asks now and then is no concern of other workers."""


_SLACK = 1e-6
"""Seconds: sums of binary fractions are a little off."""


class Limit(NamedTuple):
    """So many requests a second, and so many at once. `penalty`: what is refused counts, too."""

    name: str
    rate: float
    burst: int
    penalty: bool = False

    @property
    def interval(self) -> float:
        """Seconds for each request."""
        return 1.0 / self.rate

    @property
    def most(self) -> float:
        """The seconds until it is full again that a bucket has at most."""
        return self.burst / self.rate + (_PENALTY if self.penalty else 0.0)


class Taken(NamedTuple):
    """What was taken of a bucket since it was last shared, in requests."""

    key: str
    requests: float


class Buckets:
    """The buckets of one limit, by caller. A `limit` of 0 requests a second is none: nobody is ever over it.

    Of more than `most` callers, those are forgotten that have not asked for the longest time, be it in vain. All
    moments are those of one monotonic clock, in seconds.
    """

    def __init__(self, limit: Limit, most: int = 50_000) -> None:
        self.limit = limit
        self.on = limit.rate > 0
        self._interval = limit.interval if self.on else 0.0
        self._depth = limit.burst * self._interval
        self._deepest = limit.most if self.on else 0.0
        self._most = most
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._taken: dict[str, float] = {}

    def wait(self, key: str, now: float) -> float:
        """Seconds until a request may be made again; 0 where one may be made now."""
        full_at = self._full_at.get(key)
        if full_at is None:
            return 0.0
        over = full_at - now + self._interval - self._depth
        if over <= _SLACK:
            return 0.0
        self._full_at.move_to_end(key)
        return over

    def take(self, key: str, now: float) -> float:
        """Count a request; returns what `wait` said before it. One that must wait counts only with a penalty."""
        if not self.on:
            return 0.0
        waiting = self.wait(key, now)
        if waiting and not self.limit.penalty:
            return waiting
        full_at = max(self._full_at.get(key, now), now) + self._interval
        self._full_at[key] = min(full_at, now + self._deepest)
        self._full_at.move_to_end(key)
        self._taken[key] = self._taken.get(key, 0.0) + 1.0
        if len(self._full_at) > self._most:
            forgotten, _ = self._full_at.popitem(last=False)
            self._taken.pop(forgotten, None)
        return waiting

    def to_share(self) -> list[Taken]:
        """What was taken and the other workers do not know yet, of callers that took enough to matter to them."""
        least = self.limit.burst / _SHARED_PART
        shared = [Taken(key, requests) for key, requests in self._taken.items() if requests >= least]
        for key, _ in shared:
            del self._taken[key]
        return shared

    def shared(self, told: Mapping[str, float], now: float) -> None:
        """Take note of what all workers together took: `told` is how many requests each bucket lacks."""
        for key, lacking in told.items():
            full_at = now + (lacking + self._taken.get(key, 0.0)) * self._interval
            self._full_at[key] = min(full_at, now + self._deepest)

    def not_shared(self, taken: list[Taken]) -> None:
        """Keep what could not be shared for the next time."""
        for key, requests in taken:
            if key in self._full_at:
                self._taken[key] = self._taken.get(key, 0.0) + requests

    def forget_full(self, now: float) -> None:
        """Forget the callers whose buckets are full again: it is as if they had never asked."""
        for key in [key for key, full_at in self._full_at.items() if full_at <= now]:
            del self._full_at[key]
            self._taken.pop(key, None)

    def __len__(self) -> int:
        return len(self._full_at)

"""Simulated time: processes that sleep and wake in order."""

from __future__ import annotations

import heapq
from collections.abc import Generator
from itertools import count

MINUTE = 60.0
HOUR = 3_600.0
DAY = 86_400.0
WEEK = 7 * DAY

Process = Generator[float, None, None]
"""Yields how long it sleeps, in seconds; whatever it does happens at the moment at which it wakes."""


class Schedule:
    """Wakes processes in order of time. `now` is in seconds since 1970."""

    def __init__(self, start: float) -> None:
        self.start = start
        self.now = start
        self._order = count()
        self._asleep: list[tuple[float, int, Process]] = []

    def begin(self, process: Process, after: float = 0.0) -> None:
        """Let a process run for the first time after so many seconds."""
        heapq.heappush(self._asleep, (self.now + after, next(self._order), process))

    def run(self, until: float) -> None:
        """Wake everybody who is due up to a moment."""
        asleep = self._asleep
        while asleep and asleep[0][0] <= until:
            self.now, _, process = heapq.heappop(asleep)
            sleep = next(process, None)
            if sleep is not None:
                heapq.heappush(asleep, (self.now + max(sleep, 0.001), next(self._order), process))
        self.now = until

    @property
    def day(self) -> float:
        """Days since the start, with their fraction."""
        return (self.now - self.start) / DAY

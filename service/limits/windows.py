"""What was throttled, counted in memory until it is recorded (`recording.py`)."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple


class Who(NamedTuple):
    """Which limit was passed, and by whom: a source (an address, or the /64 network of one), a client or an account."""

    limit: str
    source: str | None = None
    client_id: str | None = None
    account: str | None = None


class What(NamedTuple):
    """A request that was refused: where, what the caller was told, why, and with which HTTP status."""

    endpoint: str
    error: str
    reason: str
    status: int


class Throttled:
    """How often what of whom was throttled since it was last taken.

    Of more than `most` callers within that time, the others of a limit are counted together, as nobody's.
    """

    def __init__(self, most: int = 1_000) -> None:
        self._most = most
        self._counts: Counter[tuple[Who, What]] = Counter()
        self._whose: set[Who] = set()

    def count(self, who: Who, what: What, times: int = 1) -> None:
        """Requests were throttled."""
        if who not in self._whose:
            if len(self._whose) >= self._most:
                who = Who(who.limit)
            self._whose.add(who)
        self._counts[who, what] += times

    def take(self) -> Counter[tuple[Who, What]]:
        """The counts; from now on they begin anew."""
        taken, self._counts, self._whose = self._counts, Counter(), set()
        return taken

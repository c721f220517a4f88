"""When to try again: for each event a schedule of days, for each endpoint a breaker that spares one that fails."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from email.utils import parsedate_to_datetime

_MINUTE, _HOUR = 60.0, 3_600.0
SCHEDULE = (5.0, *(5 * _MINUTE, 30 * _MINUTE), *(hours * _HOUR for hours in (2, 5, 10, 14, 20, 24)))
"""Seconds after each failed attempt, as Standard Webhooks proposes: ten attempts take three days and four hours."""

_JITTER = 0.2
_RETRY_AFTER_AT_MOST = _HOUR
_OPENS_AFTER = 5
_OPEN_AT_LEAST, _OPEN_AT_MOST = 5.0, 300.0

Jitter = Callable[[], float]
"""A random number from 0 to 1, so that what failed together does not come back together."""


def delay(attempts: int, jitter: Jitter) -> float:
    """Seconds until the next attempt, after so many failed."""
    return _spread(SCHEDULE[min(attempts, len(SCHEDULE)) - 1], jitter)


def retry_after(header: str | None, now: float) -> float | None:
    """Seconds that an answer asks to wait for (RFC 9110 section 10.2.3), bounded; None where it does not say."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        seconds = float(text[:12])
    else:
        try:
            when = parsedate_to_datetime(text)
            seconds = (when if when.tzinfo else when.replace(tzinfo=dt.UTC)).timestamp() - now
        except (ValueError, IndexError, OverflowError, TypeError):
            return None
    return min(max(seconds, 0.0), _RETRY_AFTER_AT_MOST)


class Breaker:
    """Counts an endpoint's failures in a row. After five it opens: one attempt at a time, with longer and longer waits
    of up to five minutes, until one succeeds. An answer that asks to wait opens it at once.
    """

    def __init__(self, jitter: Jitter) -> None:
        self._jitter = jitter
        self._failures = 0
        self._openings = 0
        self.opened = False
        self.retry_at = 0.0

    def room(self, now: float, under_way: int, at_once: int) -> int:
        """How many attempts may begin."""
        if not self.opened:
            return max(at_once - under_way, 0)
        return 1 if under_way == 0 and now >= self.retry_at else 0

    def succeeded(self) -> bool:
        """An attempt succeeded; returns whether that closed it."""
        closed = self.opened
        self._failures = self._openings = 0
        self.opened = False
        return closed

    def failed(self, now: float, wait: float | None = None) -> None:
        """An attempt failed; `wait` is what its answer asks for."""
        self._failures += 1
        if wait is not None:
            self.opened = True
            self.retry_at = max(self.retry_at, now + wait)
        elif self._failures >= _OPENS_AFTER and not (self.opened and now < self.retry_at):
            self.opened = True
            self.retry_at = now + _spread(min(_OPEN_AT_LEAST * 2.0**self._openings, _OPEN_AT_MOST), self._jitter)
            self._openings = min(self._openings + 1, 16)


def _spread(seconds: float, jitter: Jitter) -> float:
    return seconds * (1 - _JITTER / 2 + _JITTER * jitter())

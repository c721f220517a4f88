"""Moments as people and programs write them: RFC 3339, a day, or how long ago."""

from __future__ import annotations

import datetime as dt
import re

_AGO = re.compile(r"([0-9]{1,6})(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = 64
EARLIEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
LATEST = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)
"""No event is outside of these, and every time near one of them is one that can be reckoned with."""


def moment_of(text: str, now: dt.datetime) -> dt.datetime:
    """The moment of `2026-01-31T12:00:00Z`, of a day `2026-01-31` (UTC), or of `24h` or `7d` before `now`.

    Raises ValueError, with words for people.
    """
    try:
        ago = _AGO.fullmatch(text)
        moment = now - dt.timedelta(**{_UNITS[ago[2]]: int(ago[1])}) if ago else _written(text)
    except OverflowError:
        moment = dt.datetime.min.replace(tzinfo=dt.UTC)
    if not EARLIEST <= moment < LATEST:
        raise ValueError("is not a moment between the years 2000 and 2200")
    return moment


def _written(text: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text) if len(text) <= _LONGEST and text.isascii() else None
    except ValueError:
        moment = None
    if moment is not None and moment.tzinfo is None and len(text) == len("2026-01-31"):
        moment = moment.replace(tzinfo=dt.UTC)
    if moment is None or moment.tzinfo is None:
        raise ValueError(
            "is neither a time such as 2026-01-31T12:00:00Z or 2026-01-31, nor a duration such as 24h or 7d"
        )
    return moment.astimezone(dt.UTC)


def beginning(grain: str, moment: dt.datetime) -> dt.datetime:
    """The first moment (UTC) of the minute, hour, day, week or month that a moment is in."""
    if grain == "minute":
        return moment.replace(second=0, microsecond=0)
    if grain == "hour":
        return moment.replace(minute=0, second=0, microsecond=0)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if grain == "week":
        return day - dt.timedelta(days=day.weekday())
    return day.replace(day=1) if grain == "month" else day

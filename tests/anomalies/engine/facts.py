"""Moments of facts."""

from __future__ import annotations

import datetime as dt

BEGAN = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


def at(seconds: float) -> dt.datetime:
    """So many seconds after the beginning, a Monday."""
    return BEGAN + dt.timedelta(seconds=seconds)

"""Moments on the command line."""

from __future__ import annotations

import datetime as dt
import time

import click


def moment(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """A click callback: seconds since 1970 of a date, a time, or how long ago (`90m`, `7d`); None where not given."""
    from service.access.durations import parse_duration

    if value is None:
        return None
    try:
        return time.time() - parse_duration(value)
    except ValueError:
        pass
    try:
        parsed = dt.datetime.fromisoformat(value)
    except ValueError:
        message = f"{value!r} is neither a time (2026-03-01T08:00Z) nor how long ago (90m, 7d)"
        raise click.BadParameter(message) from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)).timestamp()

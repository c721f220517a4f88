"""A recorded event as programs are told of it, on the command line and over HTTP."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from schema.envelope import RecordedEvent


def as_object(event: RecordedEvent) -> dict[str, Any]:
    """The event as an object of JSON; its data is passed through as it is stored."""
    return {
        "position": event.position,
        "stream": str(event.stream),
        "version": event.version,
        "type": event.type,
        "client": event.client,
        "time": time_of(event.recorded_at),
        "actor": event.actor,
        "source": event.source,
        "trace": event.trace,
        "data": msgspec.Raw(event.data.encode()),
    }


def time_of(moment: dt.datetime, timespec: str = "microseconds") -> str:
    """A time in UTC, as RFC 3339 writes it."""
    return moment.astimezone(dt.UTC).isoformat(timespec=timespec).replace("+00:00", "Z")

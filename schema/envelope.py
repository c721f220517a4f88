"""What surrounds an event: its place in the journal, its NATS subject, its CloudEvents headers."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from schema import events

STREAM_NAME = "TALLYSTICK"
SUBJECT_PREFIX = "tally.v1"
SUBJECTS = f"{SUBJECT_PREFIX}.>"
NO_CLIENT = "_"


class Context(NamedTuple):
    """Who caused an event, from where, and within which trace (a W3C `traceparent`)."""

    actor: str = "tallystick"
    source: str | None = None
    trace: str | None = None


class Fact(NamedTuple):
    """A decoded event at its place: what a projection folds. `source` is the address that caused it, if one did."""

    position: int
    stream: UUID
    version: int
    event: events.Event
    recorded_at: dt.datetime
    source: str | None = None


RECORDED_COLUMNS = "position, stream, version, type, client, data::text AS data, actor, source, trace, recorded_at"
"""The columns of `journal.events` that make a RecordedEvent, as a SELECT lists them."""


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of `journal.events`. `data` is the event's JSON; `client` is `_` where none is known."""

    position: int
    stream: UUID
    version: int
    type: str
    client: str
    data: str
    actor: str
    source: str | None
    trace: str | None
    recorded_at: dt.datetime

    @classmethod
    def from_row(cls, row: Any) -> RecordedEvent:
        """What a SELECT of RECORDED_COLUMNS gave."""
        return cls(**dict(row))

    def fact(self) -> Fact:
        """The decoded event at its place. Raises UnknownEventType or msgspec.DecodeError (poison)."""
        event = events.decode(self.type, self.data)
        return Fact(self.position, self.stream, self.version, event, self.recorded_at, self.source)


def subject_of(event_type: str, client: str) -> str:
    """The NATS subject, such as `tally.v1.token.issued.billing-worker`."""
    return f"{SUBJECT_PREFIX}.{event_type}.{client}"


def client_of(event: events.Event) -> str:
    """The client id that the subject carries: one of ours, or `_`."""
    return getattr(event, "client_id", None) or NO_CLIENT


def headers_of(recorded: RecordedEvent, issuer: str) -> dict[str, str]:
    """CloudEvents 1.0 headers in binary mode, with `traceparent` where there is one."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": str(recorded.position),
        "ce-source": issuer,
        "ce-type": f"tallystick.{recorded.type}.v1",
        "ce-subject": str(recorded.stream),
        "ce-time": recorded.recorded_at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
        "ce-version": str(recorded.version),
        "ce-actor": recorded.actor,
        "Content-Type": "application/json",
    }
    if recorded.source:
        headers["ce-sourceaddress"] = recorded.source
    if recorded.trace:
        headers["traceparent"] = recorded.trace
    return headers

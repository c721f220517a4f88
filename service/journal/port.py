"""The journal's port: what the rest of the service may ask of it, as contracts.

JournalError
├── VersionConflict       the stream moved on since the caller read it: reload, decide again
├── AlreadyUsed           the request's single-use key was used before
└── JournalUnavailable    nothing is known to be committed: answer 503, let no credential leave
    ├── JournalBusy       the queue of waiting appends is full
    └── JournalTimeout    the deadline passed
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple, Protocol
from uuid import UUID

from schema.envelope import Context, RecordedEvent
from schema.events import Event


class JournalError(Exception):
    """Base of what an append can answer instead of a position."""


class VersionConflict(JournalError):
    """The stream is not at the version that the caller expected."""


class AlreadyUsed(JournalError):
    """The single-use key of the request was used before."""


class JournalUnavailable(JournalError):
    """The append is not known to be committed; it MUST be answered as failed."""


class JournalBusy(JournalUnavailable):
    """The queue of waiting appends is full."""


class JournalTimeout(JournalUnavailable):
    """The commit did not come within the deadline."""


class SingleUse(NamedTuple):
    """A key that may be used once until `until`: a keyed digest, never the secret or identifier itself."""

    key: bytes
    until: dt.datetime


class Append(NamedTuple):
    """One request: events for one stream, all or none, under the expected version of that stream.

    `expected_version` is the version that the stream has now, 0 for a new one. A request may have no events and
    only a single-use key.
    """

    stream: UUID
    expected_version: int
    events: tuple[Event, ...]
    context: Context = Context()
    once: SingleUse | None = None


class Appended(NamedTuple):
    """The committed events of a request: `first` to `last` are their positions, without gaps.

    A request without events has `last` = `first` - 1.
    """

    first: int
    last: int
    recorded_at: dt.datetime


class Journal(Protocol):
    """Where events are kept."""

    async def append(self, request: Append) -> Appended:
        """Append a request's events.

        Implementations MUST NOT return until the events are durably committed, MUST give positions in commit order
        without gaps, and MUST leave no trace of a request that they refuse. Cancelling the caller MUST NOT cancel a
        commit that has begun.

        Raises VersionConflict, AlreadyUsed, JournalBusy, JournalTimeout or JournalUnavailable.
        """
        ...

    async def read(self, after: int, limit: int) -> list[RecordedEvent]:
        """The events whose position is greater than `after`, in order, at most `limit`.

        MUST see every event committed before the call. Raises JournalUnavailable.
        """
        ...

    async def read_stream(self, stream: UUID) -> list[RecordedEvent]:
        """All events of a stream in version order. MUST see every event committed before the call.

        Raises JournalUnavailable.
        """
        ...

    async def read_entities(self) -> tuple[list[RecordedEvent], int]:
        """All events of long-lived streams in order, and the head position, of one moment.

        Raises JournalUnavailable.
        """
        ...

    async def head(self) -> int:
        """The last position given out, 0 for none. Raises JournalUnavailable."""
        ...

"""What the relay should do next, decided from what the stream and the journal hold. Pure.

Sequence = position: the stream holds event N at sequence N, from the journal's first event on, without gaps. Postgres
is the record, so what the stream lacks is published again, and a stream that was cut is made anew. What only the
stream holds is somebody else's: that is never deleted and never published over, it halts the relay until an operator
has looked.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class StreamState(NamedTuple):
    """Its sequences `first` to `last` (in an empty one `last` = `first` - 1), of which `deleted` are missing."""

    first: int
    last: int
    messages: int
    deleted: int


class Bounds(NamedTuple):
    """The journal's positions: the first one that it keeps (`head` + 1 if it has none) and the last one given out."""

    first: int
    head: int


class Tail(Enum):
    """How the stream's last message compares with the journal's event at that position."""

    SAME = "same"
    DIFFERENT = "different"
    NOT_STORED = "not stored"
    NOT_KEPT = "not kept by the journal"


class Continue(NamedTuple):
    """Publish what comes after this position."""

    after: int


class Create(NamedTuple):
    """Make the stream, so that its first sequence is `first`."""

    first: int


class Recreate(NamedTuple):
    """Delete the stream and make it anew from `first` on."""

    first: int
    why: str


class Halt(NamedTuple):
    """Publish nothing."""

    reason: str


Plan = Continue | Create | Recreate | Halt

REMEDY = "keep a copy, then delete the stream and it is filled again from Postgres"


def decide(stream: StreamState | None, journal: Bounds, tail: Tail) -> Plan:
    """The plan for a stream (None: there is none) and a journal whose bounds were read after the stream's state."""
    if stream is None:
        return Create(journal.first)
    foreign = _foreign(stream, journal, tail)
    if foreign is not None:
        return Halt(foreign)
    cut = _cut(stream, journal)
    if cut is not None:
        return Recreate(journal.first, cut)
    if stream.last < journal.first - 1:
        return Halt(f"the stream ends at {stream.last} and the journal keeps nothing before {journal.first}; {REMEDY}")
    return Continue(stream.last)


def _foreign(stream: StreamState, journal: Bounds, tail: Tail) -> str | None:
    if stream.last > journal.head and stream.messages > 0:
        return f"the stream holds sequence {stream.last}, but the journal ends at {journal.head}; {REMEDY}"
    if stream.messages > 0 and tail is Tail.DIFFERENT:
        return f"the stream's message at sequence {stream.last} is not the journal's event; {REMEDY}"
    if stream.messages > 0 and tail is Tail.NOT_KEPT and stream.last >= journal.first:
        return f"the journal has no event at position {stream.last}, which the stream holds"
    return None


def _cut(stream: StreamState, journal: Bounds) -> str | None:
    if stream.first > journal.first:
        return f"it begins at {stream.first}, the journal at {journal.first}"
    if stream.deleted > 0 or stream.messages < stream.last - stream.first + 1:
        missing = max(stream.deleted, stream.last - stream.first + 1 - stream.messages)
        return f"{missing} of its messages are missing"
    return None

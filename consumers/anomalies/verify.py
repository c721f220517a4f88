"""Messages of the stream against the journal: only what the journal holds, as it holds it, is an event.

Anybody who can publish on NATS can put a message on the stream that looks like an event. A batch is compared by one
digest of all that rules look at, which Postgres computes of its rows and this of the messages. Where they differ, they
are compared one by one to say which it is.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Container, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from consumers.anomalies.judge import Poison
from consumers.durable import Delivered
from schema import events
from schema.envelope import SUBJECT_PREFIX, Fact

_PREFIX = f"{SUBJECT_PREFIX}.".encode()
# As the relay writes them (`schema.envelope.headers_of`); numbers are no longer than those of the journal can be.
_HEADERS = re.compile(
    rb"NATS/1\.0\r\nce-specversion: 1\.0\r\nce-id: (\d{1,19})\r\nce-source: [^\r\n]*\r\n"
    rb"ce-type: tallystick\.([^\r\n]*)\.v1\r\nce-subject: ([0-9a-f-]{36})\r\n"
    rb"ce-time: ([^\r\n]*)Z\r\nce-version: (\d{1,19})\r\nce-actor: [^\r\n]*\r\n"
    rb"Content-Type: application/json\r\n(?:ce-sourceaddress: ([^\r\n]*)\r\n)?"
)
_WITHOUT_FRACTION = 19
_SOURCES = 65_536


class Diverged(Exception):
    """The stream does not hold what the journal holds. The message names the sequence."""


class Claim(NamedTuple):
    """What a message says of an event: all that rules look at, as bytes. `time` is in UTC, with microseconds."""

    position: bytes
    stream: bytes
    version: bytes
    type: bytes
    client: bytes
    source: bytes
    time: bytes
    data: bytes

    def fact(self) -> Fact:
        """The decoded event at its place. Raises UnknownEventType, ValueError or msgspec.DecodeError."""
        return Fact(
            int(self.position),
            msgspec.convert(self.stream.decode(), UUID),
            int(self.version),
            events.decode(self.type.decode(), self.data),
            dt.datetime.fromisoformat(f"{self.time.decode()}+00:00"),
            _address(self.source),
        )


class Record(Protocol):
    """The journal, as far as messages are compared with it."""

    async def digest(self, first: int, last: int) -> str:
        """The digest (`digest_of`) of the events of these positions, all of them claims as `claims` gives them."""
        ...

    async def claims(self, first: int, last: int) -> list[Claim]:
        """The events of these positions, in order."""
        ...


class Verified(NamedTuple):
    """What of a batch is of the journal: its facts, those of some types, up to `position`; and the problem after it."""

    facts: list[Fact]
    position: int
    problem: Diverged | Poison | None


class Verifier:
    """Turns what came of the stream into facts, those of some types."""

    def __init__(self, record: Record, types: Container[str]) -> None:
        self._record = record
        self._wanted = {name.encode(): name in types for name in events.EVENT_TYPES}

    async def verified(self, delivered: Sequence[Delivered], after: int) -> Verified:
        """What messages that follow the position `after` say, as far as the journal says the same.

        Raises what the record raises.
        """
        claims, broken = _in_line(delivered, after)
        if claims and digest_of(claims) != await self._record.digest(after + 1, after + len(claims)):
            claims, broken = await self._up_to_difference(claims, after, broken)
        facts: list[Fact] = []
        for position, claim in enumerate(claims, start=after + 1):
            try:
                if self._is_wanted(claim.type):
                    facts.append(claim.fact())
            except (events.UnknownEventType, msgspec.DecodeError, ValueError) as error:
                what = f"{type(error).__name__}: {error}"
                return Verified(facts, position - 1, Poison(f"event {_place(claim)} cannot be read: {what}"))
        return Verified(facts, after + len(claims), broken)

    async def _up_to_difference(
        self, claims: list[Claim], after: int, broken: Diverged | None
    ) -> tuple[list[Claim], Diverged | None]:
        rows = {int(row.position): row for row in await self._record.claims(after + 1, after + len(claims))}
        for number, claim in enumerate(claims):
            row = rows.get(int(claim.position))
            if row is None:
                return claims[:number], Diverged(f"the journal has no event {_place(claim)}, which the stream holds")
            if row != claim:
                parts = [name for name in Claim._fields if getattr(row, name) != getattr(claim, name)]
                what = f"the stream's message at sequence {_place(claim)} is not the journal's event"
                return claims[:number], Diverged(f"{what}: its {', '.join(parts)} differ")
        return claims, broken

    def _is_wanted(self, name: bytes) -> bool:
        """An unknown type that the journal holds is of a later version: nothing after it can be judged."""
        wanted = self._wanted.get(name)
        if wanted is None:
            raise events.UnknownEventType(name.decode())
        return wanted


def digest_of(claims: Sequence[Claim]) -> str:
    """One digest for a line of events. No field can hold a line end, so that none can be taken for another."""
    return hashlib.sha256(b"\n".join([b"\n".join(claim) for claim in claims])).hexdigest()


def claim_of(delivered: Delivered) -> Claim:
    """What a message says. Raises Diverged for one that is not the form of an event."""
    found = _HEADERS.match(delivered.headers)
    name, _, client = delivered.subject.removeprefix(_PREFIX).rpartition(b".")
    if found is None:
        raise Diverged(f"the message at sequence {delivered.sequence} has not the headers of an event")
    position, told, stream, time, version, source = found.groups()
    if position != b"%d" % delivered.sequence or told != name:
        raise Diverged(
            f"the message at sequence {delivered.sequence} on {_shown(delivered.subject)} says that it is event"
            f" {_shown(position)} of type {_shown(told)}"
        )
    if b"\n" in delivered.data:
        raise Diverged(f"the message at sequence {delivered.sequence} has a body that no event has")
    return Claim(position, stream, version, name, client, source or b"", _with_fraction(time), delivered.data)


def _in_line(delivered: Sequence[Delivered], after: int) -> tuple[list[Claim], Diverged | None]:
    claims: list[Claim] = []
    for expected, message in enumerate(delivered, start=after + 1):
        if message.sequence != expected:
            return claims, Diverged(f"the stream goes on at sequence {message.sequence} where {expected} should be")
        try:
            claims.append(claim_of(message))
        except Diverged as broken:
            return claims, broken
        except ValueError as error:
            what = f"the message at sequence {message.sequence} cannot be read: {type(error).__name__}"
            return claims, Diverged(what)
    return claims, None


@lru_cache(maxsize=_SOURCES)
def _address(source: bytes) -> str | None:
    return source.decode(errors="replace") or None


def _with_fraction(time: bytes) -> bytes:
    return time if len(time) != _WITHOUT_FRACTION else time + b".000000"


def _place(claim: Claim) -> str:
    return f"{claim.position.decode()} ({_shown(claim.type)})"


def _shown(text: bytes) -> str:
    """What somebody wrote, so that it can be logged."""
    return ascii(text[:100].decode(errors="replace"))

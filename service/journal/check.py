"""Compare journal and stream completely: dense, equal, complete.

Everything up to the head of one moment is compared; what is appended meanwhile is left for the next check.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import asyncpg
import msgspec

from consumers.stream_reader import StreamEnds, StreamMessage, StreamReader, stream_ends
from schema.envelope import RECORDED_COLUMNS, RecordedEvent, headers_of, subject_of
from service.journal.leader import POSTGRES_FAILURES
from service.journal.port import JournalUnavailable
from service.journal.postgres import connect

LISTED = 10
PATIENCE = 5.0

_STEP = 1_000
_ROWS = f"SELECT {RECORDED_COLUMNS} FROM journal.events WHERE position <= $1 ORDER BY position"  # noqa: S608 constant
_BOUNDS = """
    SELECT h.position AS head, (SELECT min(position) FROM journal.events) AS first,
           (SELECT max(position) FROM journal.events) AS last
    FROM journal.head h
"""
_BROKEN_STREAMS = """
    SELECT stream, version, position FROM (
        SELECT stream, version, position, lag(version, 1, 0) OVER line AS before, lag(position) OVER line AS earlier
        FROM journal.events WINDOW line AS (PARTITION BY stream ORDER BY version)
    ) AS e
    WHERE version <> before + 1 OR position <= earlier ORDER BY position
"""
_PLANNER = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off"
_LINE_ENDS = str.maketrans("\r\n", "  ")

Progress = Callable[[int, int], None]
Say = Callable[[str], None]


class Difference(msgspec.Struct):
    """What is wrong with the positions `first` to `last`."""

    first: int
    last: int
    what: str

    def __str__(self) -> str:
        place = f"{self.first}" if self.first == self.last else f"{self.first}…{self.last}"
        return f"{place}: {self.what}"


class Report(msgspec.Struct, kw_only=True):
    """The outcome. `events` were compared, from the first that the journal keeps to its head; times in seconds."""

    ok: bool
    first: int
    head: int
    events: int
    stream_first: int | None
    stream_last: int | None
    differences: int
    listed: list[Difference]
    seconds: float


class Findings:
    """Counts differences and keeps the first LISTED; the same thing at consecutive positions is one difference."""

    def __init__(self) -> None:
        self.count = 0
        self.listed: list[Difference] = []
        self._latest: Difference | None = None

    def add(self, position: int, what: str) -> None:
        """Note that something is wrong at a position; positions come in order."""
        latest = self._latest
        if latest is not None and latest.what == what and latest.last == position - 1:
            latest.last = position
            return
        self._latest = Difference(position, position, what)
        self.count += 1
        if len(self.listed) < LISTED:
            self.listed.append(self._latest)

    def add_range(self, first: int, last: int, what: str) -> None:
        """Note that something is wrong from `first` to `last`."""
        self.add(first, what)
        if self._latest is not None:
            self._latest.last = max(self._latest.last, last)


async def check(
    database_url: str,
    nats_url: str,
    *,
    progress: Progress = lambda _, __: None,
    say: Say = lambda _: None,
    patience: float = PATIENCE,
) -> Report:
    """Compare journal and stream. Waits up to `patience` seconds for a relay that is just behind, and says so.

    `progress` is told how many of how many events were compared. Raises JournalUnavailable or NatsUnavailable.
    """
    began = time.monotonic()
    before = await stream_ends(nats_url)
    connection = await connect(database_url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(_PLANNER)
            report = await _check(connection, nats_url, before, progress, say, patience)
    except POSTGRES_FAILURES as error:
        raise JournalUnavailable(f"Postgres: {error}") from error
    finally:
        connection.terminate()
    report.seconds = round(time.monotonic() - began, 3)
    return report


async def _check(
    connection: asyncpg.Connection[Any],
    nats_url: str,
    before: StreamEnds | None,
    progress: Progress,
    say: Say,
    patience: float,
) -> Report:
    """`before` was read before the snapshot was taken: what the stream held then, the journal must hold now."""
    findings = Findings()
    row = (await connection.fetch(_BOUNDS))[0]
    head = row["head"]
    first = head + 1 if row["first"] is None else row["first"]
    if row["last"] is not None and row["last"] != head:
        findings.add(row["last"], f"is the journal's last event, but the head row says {head}")
    for broken in await connection.fetch(_BROKEN_STREAMS):
        findings.add(broken["position"], f"version {broken['version']} of stream {broken['stream']} is out of line")
    end = max(head, row["last"] or 0)
    ends = await _caught_up(nats_url, end, say, patience)
    reader = StreamReader(nats_url, first - 1, until=end, follow=False)
    async with aclosing(reader.messages() if ends else _nothing()) as messages:
        await compare(_rows(connection, end), messages, first, end, findings, progress)
    if before is not None and before.messages > 0 and before.last_seq > end:
        findings.add_range(end + 1, before.last_seq, _ONLY_STREAM)
    return Report(
        ok=findings.count == 0,
        first=first,
        head=head,
        events=end - first + 1,
        stream_first=ends.first_seq if ends else None,
        stream_last=ends.last_seq if ends else None,
        differences=findings.count,
        listed=findings.listed,
        seconds=0.0,
    )


_ONLY_STREAM = "the stream holds it, the journal does not"
_ONLY_JOURNAL = "the journal holds it, the stream does not"
_NEITHER = "neither the journal nor the stream holds it"


async def compare(
    rows: AsyncIterator[RecordedEvent],
    messages: AsyncIterator[StreamMessage],
    first: int,
    last: int,
    findings: Findings,
    progress: Progress = lambda _, __: None,
) -> None:
    """Go through both, each in order, and note every position from `first` to `last` that is not the same in both."""
    row, message = await anext(rows, None), await anext(messages, None)
    for position in range(first, last + 1):
        in_journal = row is not None and row.position == position
        in_stream = message is not None and message.sequence == position
        if row is not None and message is not None and in_journal and in_stream:
            for what in unequal(row, message):
                findings.add(position, what)
        elif not (in_journal and in_stream):
            findings.add(position, _ONLY_JOURNAL if in_journal else _ONLY_STREAM if in_stream else _NEITHER)
        if in_journal:
            row = await _next_row(rows, position, findings)
        if in_stream:
            message = await anext(messages, None)
        if (position - first) % _STEP == _STEP - 1 or position == last:
            progress(position - first + 1, last - first + 1)


def unequal(row: RecordedEvent, message: StreamMessage) -> list[str]:
    """What differs between an event and the message at its position, except the issuer: an operator may change it."""
    wrong = []
    if message.subject != subject_of(row.type, row.client):
        wrong.append(f"the stream's subject is {message.subject}")
    if message.data != row.data.encode():
        wrong.append("the stream's body is not the journal's data")
    for name, value in headers_of(row, "").items():
        found = message.headers.get(name)
        if found != value and name != "ce-source" and found != value.translate(_LINE_ENDS).strip():
            wrong.append(f"the stream's header {name} is {found!r} instead of {value!r}")
    return wrong


async def _next_row(rows: AsyncIterator[RecordedEvent], position: int, findings: Findings) -> RecordedEvent | None:
    row = await anext(rows, None)
    while row is not None and row.position == position:
        findings.add(position, "the journal holds it more than once")
        row = await anext(rows, None)
    return row


async def _rows(connection: asyncpg.Connection[Any], last: int) -> AsyncIterator[RecordedEvent]:
    async for row in connection.cursor(_ROWS, last, prefetch=_STEP):
        yield RecordedEvent.from_row(row)


async def _nothing() -> AsyncGenerator[StreamMessage, None]:
    return
    yield


async def _caught_up(nats_url: str, end: int, say: Say, patience: float) -> StreamEnds | None:
    """The stream's ends, once it reaches `end` or the patience is over."""
    until = time.monotonic() + patience
    said = False
    while True:
        ends = await stream_ends(nats_url)
        behind = end - (ends.last_seq if ends else 0)
        if behind <= 0 or time.monotonic() >= until:
            return ends
        if not said:
            say(f"the stream is {behind} events behind; waiting up to {patience:g} s for the relay")
            said = True
        await asyncio.sleep(0.1)

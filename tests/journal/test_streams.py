"""Streams that are asked for at once are read together, and each caller gets its own."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any
from uuid import UUID

import pytest

from schema.envelope import RecordedEvent
from schema.streams import new_stream
from service.journal import streams
from service.journal.port import JournalUnavailable
from service.journal.streams import StreamReads


class Table:
    """Rows by stream, and what was asked for; a query waits until it is let."""

    def __init__(self) -> None:
        self.rows: dict[UUID, int] = {}
        self.asked: list[set[UUID]] = []
        self.let = asyncio.Event()
        self.fails = False

    async def read(self, wanted: list[UUID]) -> list[RecordedEvent]:
        """As the journal does: the rows there are when the query begins."""
        self.asked.append(set(wanted))
        found = [self._row(stream, version + 1) for stream in wanted for version in range(self.rows.get(stream, 0))]
        fails = self.fails
        await self.let.wait()
        if fails:
            raise JournalUnavailable("gone")
        return found

    @staticmethod
    def _row(stream: UUID, version: int) -> RecordedEvent:
        known: dict[str, Any] = {
            "position": version,
            "recorded_at": dt.datetime.now(dt.UTC),
            "type": "client.enabled",
            "client": None,
        }
        known |= {"stream": stream, "version": version, "data": "{}", "actor": "x", "source": None, "trace": None}
        return RecordedEvent(**known)


async def asking(reads: StreamReads, *wanted: UUID) -> list[asyncio.Task[Any]]:
    """Callers that all have asked."""
    tasks = [asyncio.create_task(reads.read(stream)) for stream in wanted]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_what_is_asked_while_a_query_runs_shares_the_next() -> None:
    """One query, then one for all others; two who ask for one stream ask once."""
    table, ids = Table(), [new_stream() for _ in range(20)]
    table.rows = {stream: number % 4 for number, stream in enumerate(ids)}
    reads = StreamReads(table.read)
    first = await asking(reads, ids[0])
    rest = await asking(reads, *ids[1:], ids[7])
    table.let.set()
    answers = await asyncio.gather(*first, *rest)

    assert table.asked == [{ids[0]}, set(ids[1:])]
    for stream, answer in zip([*ids, ids[7]], answers, strict=True):
        assert [event.version for event in answer] == list(range(1, table.rows[stream] + 1))
        assert {event.stream for event in answer} <= {stream}


async def test_who_asks_gets_what_was_committed_before_it_asked() -> None:
    """A query under way for the same stream is not waited for instead."""
    table, stream = Table(), new_stream()
    table.rows[stream] = 1
    reads = StreamReads(table.read)
    (before,) = await asking(reads, stream)
    table.rows[stream] = 2
    (after,) = await asking(reads, stream)
    table.let.set()
    assert [len(await each) for each in (before, after)] == [1, 2]


async def test_a_query_takes_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest goes with the next ones."""
    monkeypatch.setattr(streams, "_TOGETHER", 3)
    table, ids = Table(), [new_stream() for _ in range(8)]
    table.let.set()
    await asyncio.gather(*await asking(StreamReads(table.read), *ids))
    assert [len(wanted) for wanted in table.asked] == [3, 3, 2]


async def test_a_failure_that_nobody_foresaw_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next ones are answered."""
    table, stream = Table(), new_stream()
    table.rows[stream] = 1
    table.let.set()
    reads = StreamReads(table.read)
    monkeypatch.setattr(Table, "_row", lambda *_: RecordedEvent())  # type: ignore[call-arg]  # that is the failure
    with pytest.raises(TypeError):
        await reads.read(stream)
    monkeypatch.undo()
    assert len(await reads.read(stream)) == 1


async def test_a_failure_is_for_those_who_shared_it() -> None:
    """Who asks next is answered; who gave up keeps nobody from an answer."""
    table, stream, other = Table(), new_stream(), new_stream()
    table.rows = {stream: 1, other: 2}
    reads = StreamReads(table.read)
    table.fails = True
    failing = await asking(reads, stream, stream)
    table.fails = False
    left, stays = await asking(reads, other, other)
    left.cancel()
    table.let.set()
    for each in failing:
        with pytest.raises(JournalUnavailable):
            await each
    assert len(await stays) == 2
    assert len(await reads.read(stream)) == 1

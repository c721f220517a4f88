"""`audit check` finds whatever was tampered with."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.stream_reader import StreamMessage
from schema.envelope import RecordedEvent, headers_of, subject_of
from schema.streams import new_stream
from service.journal.check import Difference, Findings, compare
from service.journal.postgres import PostgresJournal
from service.journal.stream import Stream, message_of
from tests.nats_server import NatsServer
from tests.relay.support import ISSUER, Relays, append, until

STREAM = new_stream()
DOUBLE = """
    INSERT INTO journal.events
    SELECT position, overlay(gen_random_uuid()::text placing 'ff' from 1)::uuid, 1, type, client, data, actor, source,
           trace, recorded_at
    FROM journal.events WHERE position = 6
"""


def row(position: int) -> RecordedEvent:
    """An event as the journal has it."""
    return RecordedEvent(
        position=position,
        stream=STREAM,
        version=position,
        type="token.issued",
        client="billing-worker",
        data=f'{{"number": {position}}}',
        actor="client:billing-worker",
        source="127.0.0.1",
        trace=None,
        recorded_at=dt.datetime(2026, 1, 2, 3, 4, 5, position, tzinfo=dt.UTC),
    )


def message(event: RecordedEvent) -> StreamMessage:
    """The event as the stream has it."""
    subject = subject_of(event.type, event.client)
    return StreamMessage(event.position, 0, subject, headers_of(event, ISSUER), event.data.encode())


async def each(items: Iterable[object]) -> AsyncIterator[object]:
    """The items, one by one."""
    for item in items:
        yield item


async def found(rows: Iterable[RecordedEvent], messages: Iterable[StreamMessage], last: int) -> Findings:
    """What comparing finds from 1 to `last`."""
    findings = Findings()
    await compare(each(rows), each(messages), 1, last, findings)  # type: ignore[arg-type]
    return findings


@given(st.sets(st.integers(1, 12)), st.sets(st.integers(1, 12)), st.sets(st.integers(1, 12)))
async def test_exactly_the_differing_positions_are_found(
    no_row: set[int], no_message: set[int], changed: set[int]
) -> None:
    """Whatever is missing on either side or changed is told, and nothing else."""
    rows = [row(position) for position in range(1, 13) if position not in no_row]
    messages = [
        message(row(place))._replace(data=b"{}") if place in changed else message(row(place))
        for place in range(1, 13)
        if place not in no_message
    ]
    findings = await found(rows, messages, 12)
    covered = {place for each in findings.listed for place in range(each.first, each.last + 1)}
    expected = no_row | no_message | changed
    assert covered == expected or (findings.count > 10 and covered < expected)
    assert (findings.count == 0) == (not expected)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"subject": "tally.v1.token.issued.other"}, "the stream's subject is tally.v1.token.issued.other"),
        ({"data": b'{"number":1}'}, "the stream's body is not the journal's data"),
        ({"headers": headers_of(row(2), ISSUER)}, "the stream's header ce-id is '2' instead of '1'"),
    ],
)
async def test_each_part_of_a_message_is_compared(change: dict[str, object], told: str) -> None:
    """Subject, body and headers, byte for byte."""
    findings = await found([row(1)], [message(row(1))._replace(**change)], 1)  # type: ignore[arg-type]
    assert findings.listed[0] == Difference(1, 1, told)


async def test_the_issuer_may_have_changed() -> None:
    """An operator may give the server another public address: that is no difference."""
    event = row(1)
    moved = message(event)._replace(headers=headers_of(event, "https://elsewhere.example.com"))
    assert (await found([event], [moved], 1)).count == 0


async def test_a_run_of_the_same_difference_is_one() -> None:
    """A thousand missing messages are one line, not a thousand."""
    findings = await found([row(place) for place in range(1, 1_001)], [message(row(1))], 1_000)
    assert (findings.count, str(findings.listed[0])) == (1, "2…1000: the journal holds it, the stream does not")


@pytest.fixture
async def whole(journal: PostgresJournal, relays: Relays) -> Relays:
    """Six events in journal and stream, and no relay any more."""
    relay = relays.start()
    await append(journal, 3)
    await until(lambda: relay.position == 6)
    await relays.stop_one(0)
    assert (await relays.whole()).ok
    return relays


@pytest.mark.parametrize(
    ("tampering", "told"),
    [
        ("DELETE FROM journal.events WHERE position = 4", ["4: the stream holds it, the journal does not"]),
        (
            'UPDATE journal.events SET data = data || \'{"scope": "all"}\' WHERE position = 3',
            ["3: the stream's body is not the journal's data"],
        ),
        (
            "UPDATE journal.events SET client = 'other' WHERE position = 2",
            ["2: the stream's subject is tally.v1.token.revoked.billing-worker"],
        ),
        (
            "UPDATE journal.events SET recorded_at = '2001-02-03T04:05:06Z' WHERE position = 2",
            ["instead of '2001-02-03T04:05:06Z'"],
        ),
        ("UPDATE journal.head SET position = 9", ["6: is the journal's last event, but the head row says 9"]),
        ("DELETE FROM journal.events WHERE version = 1 AND position = 5", ["6: version 2 of stream", "5: the stream"]),
        (
            DOUBLE,
            ["6: the journal holds it more than once"],
        ),
    ],
)
async def test_a_tampered_journal_is_found(whole: Relays, tampering: str, told: list[str]) -> None:
    """A missing, changed, doubled or misplaced row is told with its position."""
    await whole.sql(tampering)
    report = await whole.whole_now()
    assert not report.ok
    listed = "\n".join(map(str, report.listed))
    assert [text for text in told if text not in listed] == []


async def test_an_extra_message_is_found(whole: Relays) -> None:
    """What only the stream holds is told."""
    await whole.publish("tally.v1.token.issued.intruder", b"{}")
    await whole.publish("tally.v1.token.issued.intruder", b"{}")
    report = await whole.whole()
    assert [str(each) for each in report.listed] == ["7…8: the stream holds it, the journal does not"]


async def test_a_changed_message_and_a_missing_one_are_found(
    whole: Relays, journal: PostgresJournal, nats: NatsServer
) -> None:
    """A stream that was written by somebody else is compared message by message."""
    recorded = await journal.read(0, 5)
    forged = msgspec.structs.replace(recorded[2], data='{"number": 7}')
    await whole.api("STREAM.DELETE")
    stream = await Stream.connect(nats.url)
    try:
        await stream.create(1, 1)
        await stream.publish([message_of(each, ISSUER) for each in [*recorded[:2], forged, *recorded[3:]]], 0)
    finally:
        await stream.close()
    report = await whole.whole_now()
    assert [str(each) for each in report.listed] == [
        "3: the stream's body is not the journal's data",
        "6: the journal holds it, the stream does not",
    ]


async def test_a_missing_stream_is_found(whole: Relays) -> None:
    """Without a stream, all events are missing there."""
    await whole.api("STREAM.DELETE")
    report = await whole.whole_now()
    assert [str(each) for each in report.listed] == ["1…6: the journal holds it, the stream does not"]

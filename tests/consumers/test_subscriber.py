"""A subscriber misses nothing and repeats nothing, or says so."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.connection import NatsUnavailable, connect
from consumers.stream_reader import StreamEnds, StreamMessage, stream_ends
from consumers.subscriber import Gap, NotAnEvent, Subscriber, event_of, subjects_of
from schema.envelope import RecordedEvent, headers_of, subject_of
from schema.streams import new_stream
from service.journal.stream import Message, Stream, message_of
from tests.nats_server import NatsServer

ISSUER = "https://auth.example.com"
STREAM = new_stream()


def event(position: int) -> RecordedEvent:
    """An event: every third is a revocation, every second of another client."""
    return RecordedEvent(
        position=position,
        stream=STREAM,
        version=position,
        type="token.issued" if position % 3 else "token.revoked",
        client="even" if position % 2 == 0 else "odd",
        data=f'{{"number": {position}}}',
        actor="client:odd",
        source="127.0.0.1" if position % 2 else None,
        trace=None,
        recorded_at=dt.datetime(2026, 1, 2, 3, 4, 5, position, tzinfo=dt.UTC),
    )


@asynccontextmanager
async def publishing(nats: NatsServer) -> AsyncIterator[Stream]:
    """A connection to publish by."""
    stream = await Stream.connect(nats.url)
    try:
        yield stream
    finally:
        await stream.close()


async def fill(nats: NatsServer, first: int, last: int, *, create: bool = False) -> None:
    """Publish the events `first` to `last`."""
    async with publishing(nats) as stream:
        if create:
            await stream.create(first, 1)
        if first <= last:
            await stream.publish([message_of(event(each), ISSUER) for each in range(first, last + 1)], first - 1)


def subscriber(nats: NatsServer, after: int | None, until: int | None = None) -> Subscriber:
    """An impatient subscriber to all events, with the rights of an auditor only."""
    return Subscriber(nats.audit_url, after, until=until, follow=until is not None, timeout=0.5, retry=0.05)


async def test_events_arrive_whole_and_in_order(nats: NatsServer) -> None:
    """What is yielded equals what the journal recorded."""
    await fill(nats, 1, 150, create=True)
    assert [each async for each in subscriber(nats, None)] == [event(place) for place in range(1, 151)]
    assert [each.position async for each in subscriber(nats, 140, until=145)] == [141, 142, 143, 144, 145]
    assert [each.position async for each in subscriber(nats, 150)] == []
    assert await stream_ends(nats.audit_url) == StreamEnds(1, 150, 150)


async def test_it_waits_for_what_is_to_come(nats: NatsServer) -> None:
    """An idle subscriber outlives many pulls, and yields an event when it comes."""
    await fill(nats, 1, 2, create=True)
    async with contextlib.aclosing(subscriber(nats, 0, until=4).events()) as events:
        assert [(await anext(events)).position for _ in range(2)] == [1, 2]
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.wait([waiting], timeout=1.5)
        assert not waiting.done()
        await fill(nats, 3, 4)
        assert (await waiting).position == 3


async def test_it_waits_for_the_stream_to_be_made(nats: NatsServer) -> None:
    """It may be started before anything was published."""
    waiting = asyncio.ensure_future(collect(subscriber(nats, None, until=3)))
    await asyncio.wait([waiting], timeout=0.2)
    await fill(nats, 1, 3, create=True)
    assert await waiting == [1, 2, 3]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(["kill", "stop", "freeze"]), st.integers(1, 60)), min_size=1, max_size=3),
)
async def test_whatever_happens_to_nats_there_is_no_gap_and_no_repeat(
    nats: NatsServer, happenings: Sequence[tuple[str, int]]
) -> None:
    """Killed, stopped or frozen while events come: every event is yielded once, in order."""
    async with publishing(nats) as stream:
        if await stream.info():
            await stream.delete()
    await fill(nats, 1, 40, create=True)
    last = 40 + sum(count for _, count in happenings)
    collecting = asyncio.ensure_future(collect(subscriber(nats, 0, until=last)))
    first = 41
    for what, count in happenings:
        if what == "freeze":
            nats.signal(signal.SIGSTOP)
            await asyncio.sleep(0.6)
            nats.signal(signal.SIGCONT)
        else:
            await (nats.kill() if what == "kill" else nats.stop())
            await nats.start()
        await fill(nats, first, first + count - 1)
        first += count
    assert await asyncio.wait_for(collecting, 60) == list(range(1, last + 1))


async def test_a_stream_that_is_made_anew_is_read_on_without_a_repeat(nats: NatsServer) -> None:
    """The relay refills a deleted stream: a subscriber goes on after its last event."""
    await fill(nats, 1, 5, create=True)
    async with contextlib.aclosing(subscriber(nats, 0, until=8).events()) as events:
        assert [(await anext(events)).position for _ in range(5)] == [1, 2, 3, 4, 5]
        async with publishing(nats) as stream:
            await stream.delete()
        await fill(nats, 1, 8, create=True)
        assert [each.position async for each in events] == [6, 7, 8]


async def test_a_gap_is_told_with_both_numbers(nats: NatsServer) -> None:
    """A stream that begins after the wanted event is no silent loss."""
    await fill(nats, 5, 8, create=True)
    with pytest.raises(Gap) as caught:
        await collect(subscriber(nats, 2))
    assert (caught.value.expected, caught.value.found) == (3, 5)
    assert await collect(subscriber(nats, None)) == [5, 6, 7, 8]


async def test_a_message_that_is_no_event_halts(nats: NatsServer) -> None:
    """Poison is never skipped: what came before is yielded, nothing after."""
    await fill(nats, 1, 2, create=True)
    async with publishing(nats) as stream:
        await stream.publish([Message(subject_of("token.issued", "odd"), "", b"{}")], 2)
    await fill(nats, 4, 5)
    source = subscriber(nats, 0)
    with pytest.raises(NotAnEvent, match="sequence 3"):
        await collect(source)
    assert source.position == 2


@pytest.mark.parametrize(
    ("types", "client", "expected"),
    [
        ("token.revoked", None, [3, 6, 9]),
        ("token.*", "even", [2, 4, 6, 8, 10]),
        (None, "odd", [1, 3, 5, 7, 9]),
        ("*.revoked", "odd", [3, 9]),
        ("client.*", None, []),
    ],
)
async def test_subjects_narrow_what_arrives(
    nats: NatsServer, types: str | None, client: str | None, expected: list[int]
) -> None:
    """By a glob of types, by client, by both; it ends where the stream ends."""
    await fill(nats, 1, 10, create=True)
    narrowed = Subscriber(nats.audit_url, 0, subjects=subjects_of(types, client), follow=False)
    assert await collect(narrowed) == expected


def test_a_glob_without_a_match_is_refused() -> None:
    """A misspelt type is a mistake, not an empty answer."""
    with pytest.raises(ValueError, match="no event type matches 'tokens"):
        subjects_of("tokens.*")


@pytest.mark.parametrize(
    "change",
    [
        {"ce-id": "8"},
        {"ce-id": "seven"},
        {"ce-type": "tallystick.token.revoked.v1"},
        {"ce-time": "yesterday"},
        {"ce-subject": "not-a-stream"},
    ],
)
def test_a_message_must_be_what_it_says(change: dict[str, str]) -> None:
    """Position, type, time and stream are checked against the place of the message."""
    recorded = event(7)
    headers = headers_of(recorded, ISSUER)
    good = StreamMessage(7, 0, subject_of(recorded.type, recorded.client), headers, recorded.data.encode())
    assert event_of(good) == recorded
    with pytest.raises(NotAnEvent, match="sequence 7"):
        event_of(good._replace(headers=headers | change))


async def test_an_unreachable_nats_is_told_without_its_password(nats: NatsServer) -> None:
    """Connecting fails in time, and the message may be shown."""
    url = nats.url
    await nats.stop()
    with pytest.raises(NatsUnavailable) as caught:
        await connect(url, "test", 1.0)
    assert "no connection to NATS" in str(caught.value)
    password = url.partition("@")[0].rpartition(":")[2]
    assert password not in str(caught.value)


async def test_a_wrong_password_is_told(nats: NatsServer) -> None:
    """Being refused is not waited for."""
    said = "reset by peer"
    while "reset by peer" in said:  # the end of the connection may overtake what the server says
        with pytest.raises(NatsUnavailable) as refused:
            await connect(nats.url.replace("tallystick:", "tallystick:x"), "test", 2.0)
        said = str(refused.value)
    assert "Authorization" in said


async def collect(source: Subscriber) -> list[int]:
    """The positions that a subscriber yields until it ends."""
    return [each.position async for each in source]

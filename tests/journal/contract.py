"""The journal's contract: one class of tests, inherited for every implementation of the port."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar
from uuid import UUID

import pytest

from schema import events
from schema.envelope import Context, RecordedEvent
from schema.streams import client_stream, new_stream
from service.journal.port import (
    AlreadyUsed,
    Append,
    Appended,
    Journal,
    JournalBusy,
    JournalError,
    JournalTimeout,
    JournalUnavailable,
    SingleUse,
    VersionConflict,
)

T = TypeVar("T")
CONTEXT = Context("alpha", "192.0.2.7", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
SOON = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


class JournalUnderTest(Journal, Protocol):
    """A journal, and how much waits in it."""

    @property
    def queue_depth(self) -> int:
        """How many appends wait or are in flight."""
        ...


class Hold(Protocol):
    """Commits are held back: none goes through until it is left."""

    async def reached(self) -> None:
        """Return once a commit has begun and is held."""
        ...


class Bench(Protocol):
    """An empty place for events, and journals on it."""

    def open(
        self, *, deadline: float = 10.0, limit: int = 1_000, batch: int = 100
    ) -> AbstractAsyncContextManager[JournalUnderTest]:
        """A started journal; several may be open at once."""
        ...

    def hold(self) -> AbstractAsyncContextManager[Hold]:
        """Hold commits back."""
        ...


def enabled(name: str = "alpha") -> events.ClientEnabled:
    """A small event."""
    return events.ClientEnabled(client_id=name)


def request(stream: UUID | None = None, version: int = 0, count: int = 1, once: bytes | None = None) -> Append:
    """Some events for one stream, a fresh one by default."""
    key = None if once is None else SingleUse(once, SOON)
    return Append(stream or new_stream(), version, tuple(enabled(f"c{n}") for n in range(count)), CONTEXT, once=key)


async def outcome_of(append: Awaitable[Appended]) -> Appended | JournalError:
    """The committed places, or the error that the append answered."""
    try:
        return await append
    except JournalError as error:
        return error


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Return once a condition of this process holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


async def all_events(journal: Journal) -> list[RecordedEvent]:
    """The journal from its beginning, after a look at its positions: 1, 2, 3 … up to the head."""
    recorded = await journal.read(0, 100_000)
    assert list(range(1, await journal.head() + 1)) == [event.position for event in recorded]
    return recorded


class JournalContract:
    """What every journal MUST do. A subclass gives the fixture `bench`."""

    async def test_append_answers_where_the_events_are(self, bench: Bench) -> None:
        """The answer names the positions, and the events are there as they were given, with their context."""
        stream = new_stream()
        rejected = events.AccessRejected(
            endpoint="token", error="invalid_client", reason="bad_secret", status=401, client_id="beta", detail="ü€\n"
        )
        async with bench.open() as journal:
            appended = await journal.append(Append(stream, 0, (enabled(), rejected), CONTEXT))
            first, second = await journal.read_stream(stream)
        assert (appended.first, appended.last) == (1, 2)
        assert [(event.position, event.version, event.type, event.client) for event in (first, second)] == [
            (1, 1, "client.enabled", "alpha"),
            (2, 2, "access.rejected", "beta"),
        ]
        assert [enabled(), rejected] == [event.fact().event for event in (first, second)]
        assert Context(second.actor, second.source, second.trace) == CONTEXT
        assert appended.recorded_at == first.recorded_at == second.recorded_at
        assert first.recorded_at.utcoffset() == dt.timedelta(0)

    async def test_an_empty_journal(self, bench: Bench) -> None:
        """An empty journal has head 0 and nothing to read."""
        async with bench.open() as journal:
            assert (
                await journal.head(),
                await journal.read(0, 10),
                await journal.read_stream(new_stream()),
                await journal.read_entities(),
            ) == (0, [], [], ([], 0))

    async def test_positions_are_dense_in_commit_order(self, bench: Bench) -> None:
        """However many append at once, positions are 1, 2, 3 … and events of one request lie together."""
        async with bench.open(batch=7) as journal:
            answers = await asyncio.gather(*(journal.append(request(count=1 + n % 3)) for n in range(60)))
            recorded = await all_events(journal)
        covered = sorted(position for one in answers for position in range(one.first, one.last + 1))
        assert list(range(1, len(recorded) + 1)) == covered
        assert all(len({event.stream for event in recorded[one.first - 1 : one.last]}) == 1 for one in answers)
        moments = [event.recorded_at for event in recorded]
        assert sorted(moments) == moments

    async def test_versions_are_dense_in_a_stream(self, bench: Bench) -> None:
        """Each stream is a line of versions 1, 2, 3 …, each under the version before it."""
        stream = new_stream()
        async with bench.open() as journal:
            for version in (0, 2, 4):
                await journal.append(request(stream, version, count=2))
            assert [event.version for event in await journal.read_stream(stream)] == [1, 2, 3, 4, 5, 6]

    @pytest.mark.parametrize("expected", [0, 1, 3, 1_000])
    async def test_another_version_is_a_conflict_without_a_trace(self, bench: Bench, expected: int) -> None:
        """An append under any version but the stream's own is refused, and takes no position."""
        stream = new_stream()
        async with bench.open() as journal:
            await journal.append(request(stream, count=2))
            with pytest.raises(VersionConflict):
                await journal.append(request(stream, expected, count=2, once=b"key"))
            assert len(await all_events(journal)) == 2
            assert (await journal.append(request(once=b"key"))).first == 3

    async def test_a_stream_begins_with_its_first_event(self, bench: Bench) -> None:
        """A later place in a stream that nobody has begun is a conflict, also beside one who begins a stream."""
        async with bench.open() as journal:
            assert type(await outcome_of(journal.append(request(new_stream(), 1)))) is VersionConflict
            outcomes = await asyncio.gather(
                *(outcome_of(journal.append(request(new_stream(), expected))) for expected in (0, 2, 0))
            )
            assert [type(outcome) for outcome in outcomes] == [Appended, VersionConflict, Appended]
            assert await journal.head() == 2

    async def test_a_conflict_is_one_callers_own(self, bench: Bench) -> None:
        """In one commit the requests that hold are committed, densely, whatever becomes of those beside them."""
        stream = new_stream()
        async with bench.open() as journal:
            await journal.append(request(stream))
            async with bench.hold() as hold:
                first = asyncio.create_task(outcome_of(journal.append(request())))
                await hold.reached()
                versions = (1, 0, 1, 3, 7)
                tasks = [asyncio.create_task(outcome_of(journal.append(request(stream, v)))) for v in versions]
                tasks.append(asyncio.create_task(outcome_of(journal.append(request()))))
                await until(lambda: journal.queue_depth == 7)
            await first
            outcomes = await asyncio.gather(*tasks)
            recorded = await all_events(journal)
        assert [Appended, VersionConflict, VersionConflict, VersionConflict, VersionConflict, Appended] == [
            type(outcome) for outcome in outcomes
        ]
        assert len(recorded) == 4

    async def test_events_of_one_request_are_all_or_none(self, bench: Bench) -> None:
        """Of two requests for one place the loser leaves none of its events."""
        stream = new_stream()
        async with bench.open() as journal:
            outcomes = await asyncio.gather(
                *(outcome_of(journal.append(request(stream, 0, count=1 + n))) for n in range(3))
            )
            winner = next(outcome for outcome in outcomes if isinstance(outcome, Appended))
            assert winner.last - winner.first + 1 == len(await journal.read_stream(stream))
            assert winner.last == await journal.head()

    async def test_a_key_is_used_once(self, bench: Bench) -> None:
        """A single-use key is used by one request, also among requests of one commit, and never again."""
        async with bench.open() as journal:
            outcomes = await asyncio.gather(*(outcome_of(journal.append(request(once=b"key"))) for _ in range(5)))
            assert [AlreadyUsed] * 4 == sorted(
                (type(one) for one in outcomes if not isinstance(one, Appended)), key=str
            )
            with pytest.raises(AlreadyUsed):
                await journal.append(request(once=b"key"))
            await journal.append(request(once=b"other"))
            assert len(await all_events(journal)) == 2

    async def test_a_refused_request_uses_no_key(self, bench: Bench) -> None:
        """A key of a request that met a conflict may still be used, also by one in the same commit."""
        stream = new_stream()
        async with bench.open() as journal:
            await journal.append(request(stream))
            async with bench.hold() as hold:
                first = asyncio.create_task(journal.append(request()))
                await hold.reached()
                refused = asyncio.create_task(outcome_of(journal.append(request(stream, 0, once=b"key"))))
                accepted = asyncio.create_task(outcome_of(journal.append(request(once=b"key"))))
                await until(lambda: journal.queue_depth == 3)
            await first
            assert (VersionConflict, Appended) == (type(await refused), type(await accepted))

    async def test_a_key_alone_takes_no_position(self, bench: Bench) -> None:
        """A request may use a key without any event: it has no position, and the key is used."""
        async with bench.open() as journal:
            await journal.append(request())
            appended = await journal.append(request(count=0, once=b"key"))
            assert appended.last == appended.first - 1
            assert await journal.head() == 1
            with pytest.raises(AlreadyUsed):
                await journal.append(request(once=b"key"))

    async def test_a_replayed_request_leaves_no_trace(self, bench: Bench) -> None:
        """Neither an event nor a version is left of a request whose key was used before."""
        stream = new_stream()
        async with bench.open() as journal:
            await journal.append(request(once=b"key"))
            with pytest.raises(AlreadyUsed):
                await journal.append(request(stream, once=b"key"))
            await journal.append(request(stream))
            assert len(await all_events(journal)) == 2

    @pytest.mark.parametrize("place", ["event", "source", "surrogate"])
    async def test_what_cannot_be_kept_fails_alone(self, bench: Bench, place: str) -> None:
        """A request that no journal can keep fails; those in the same commit do not, nor those after it."""
        text = {"event": "a\0b", "surrogate": "\ud800"}.get(place, "fine")
        source = "a\0b" if place == "source" else None
        poison = Append(new_stream(), 0, (enabled(), enabled(text)), Context(source=source), SingleUse(b"key", SOON))
        async with bench.open() as journal:
            async with bench.hold() as hold:
                first = asyncio.create_task(journal.append(request()))
                await hold.reached()
                tasks = [
                    asyncio.create_task(outcome_of(journal.append(one)))
                    for one in (request(), poison, request(count=2))
                ]
                await until(lambda: journal.queue_depth == 4)
            await first
            outcomes = await asyncio.gather(*tasks)
            assert [Appended, JournalUnavailable, Appended] == [type(outcome) for outcome in outcomes]
            assert (await journal.append(request(once=b"key"))).first == 5
            assert len(await all_events(journal)) == 5

    async def test_read_pages_in_order(self, bench: Bench) -> None:
        """Reading goes on after a position, at most so many, in order, to the end."""
        async with bench.open() as journal:
            await journal.append(request(count=5))
            pages = [[event.position for event in await journal.read(after, 2)] for after in (0, 2, 4, 5, 99)]
        assert pages == [[1, 2], [3, 4], [5], [], []]

    async def test_every_read_sees_what_was_committed(self, bench: Bench) -> None:
        """Once an append is answered, each kind of read sees it, also from another journal."""
        stream = client_stream("alpha")
        async with bench.open() as writer, bench.open() as reader:
            for version in range(10):
                appended = await writer.append(request(stream, version))
                assert appended.last == await reader.head()
                assert [appended.last] == [event.position for event in await reader.read(appended.last - 1, 10)]
                assert version + 1 == len(await reader.read_stream(stream))
                recorded, head = await reader.read_entities()
                assert (version + 1, appended.last) == (len(recorded), head)

    async def test_entities_are_the_long_lived_streams(self, bench: Bench) -> None:
        """Reading entities gives the streams that are never dropped, in order, with the head of that moment."""
        async with bench.open() as journal:
            for stream in (client_stream("alpha"), new_stream(), client_stream("beta"), new_stream()):
                await journal.append(request(stream))
            recorded, head = await journal.read_entities()
        assert ([event.position for event in recorded], head) == ([1, 3], 4)

    async def test_entities_and_head_are_of_one_moment(self, bench: Bench) -> None:
        """While others append entities, as many are read as the head says."""
        async with bench.open() as writer, bench.open() as reader:
            writing = asyncio.gather(*(writer.append(request(client_stream(f"c{n}"))) for n in range(100)))
            while not writing.done():
                recorded, head = await reader.read_entities()
                assert head == len(recorded)
            await writing

    async def test_cancelling_the_caller_does_not_cancel_a_commit_that_has_begun(self, bench: Bench) -> None:
        """A caller that went away leaves a commit in flight to be committed."""
        stream = new_stream()
        async with bench.open() as journal:
            async with bench.hold() as hold:
                caller = asyncio.create_task(journal.append(request(stream)))
                await hold.reached()
                caller.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await caller
            await journal.append(request())
            assert len(await journal.read_stream(stream)) == 1

    async def test_what_is_cancelled_before_it_was_sent_is_not_committed(self, bench: Bench) -> None:
        """A caller that went away while its request still waited leaves no event."""
        stream = new_stream()
        async with bench.open() as journal:
            async with bench.hold() as hold:
                first = asyncio.create_task(journal.append(request()))
                await hold.reached()
                caller = asyncio.create_task(journal.append(request(stream)))
                await until(lambda: journal.queue_depth == 2)
                caller.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await caller
            await first
            await journal.append(request())
            assert await journal.read_stream(stream) == []
            assert len(await all_events(journal)) == 2

    async def test_a_full_queue_refuses_at_once(self, bench: Bench) -> None:
        """What is over the limit is refused without a wait, and leaves no trace; the rest is committed."""
        async with bench.open(limit=4) as journal:
            async with bench.hold() as hold:
                tasks = [asyncio.create_task(journal.append(request()))]
                await hold.reached()
                tasks += [asyncio.create_task(journal.append(request())) for _ in range(3)]
                await until(lambda: journal.queue_depth == 4)
                for _ in range(3):
                    with pytest.raises(JournalBusy):
                        await journal.append(request())
            await asyncio.gather(*tasks)
            assert journal.queue_depth == 0
            assert len(await all_events(journal)) == 4
            await journal.append(request())

    async def test_past_the_deadline_the_caller_is_told(self, bench: Bench) -> None:
        """In flight or waiting, at the deadline the append has failed; what waited is never committed."""
        in_flight, waited = new_stream(), new_stream()
        async with bench.open(deadline=1.0) as journal, bench.open() as after:
            async with bench.hold() as hold:
                first = asyncio.create_task(outcome_of(journal.append(request(in_flight))))
                await hold.reached()
                second = asyncio.create_task(outcome_of(journal.append(request(waited))))
                assert [JournalTimeout, JournalTimeout] == [type(await first), type(await second)]
            await until(lambda: journal.queue_depth == 0)
            await after.append(request())
            assert await after.read_stream(waited) == []
            assert len(await after.read_stream(in_flight)) <= 1
            await journal.append(request())

    async def test_a_journal_that_stops_commits_what_waits(self, bench: Bench) -> None:
        """Stopping commits what was accepted and refuses what comes later."""
        async with bench.open() as reader:
            async with bench.open(batch=2) as journal, bench.hold() as hold:
                tasks = [asyncio.create_task(journal.append(request())) for _ in range(7)]
                await until(lambda: journal.queue_depth == 7)
                await hold.reached()
            await asyncio.gather(*tasks)
            assert len(await all_events(reader)) == 7
            with pytest.raises(JournalUnavailable):
                await journal.append(request())

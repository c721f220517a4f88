"""The fault table of an append: each durable step × lost, persisted but unacknowledged, slow; then reload and check."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple
from uuid import UUID

import pytest

from schema.streams import new_stream
from service.journal.port import Append, Appended, JournalError, JournalTimeout, JournalUnavailable
from service.journal.postgres import PostgresJournal
from tests.journal.benches import PostgresBench, open_journal, owner_session
from tests.journal.contract import all_events, enabled, outcome_of, request, until
from tests.journal.proxy import Proxy, proxy
from tests.servers import Database

DEADLINE = 0.4
TOLD_FAILED = (JournalUnavailable, JournalTimeout)


class Bed(NamedTuple):
    """A journal behind a wire, and one that reads beside it."""

    database: Database
    wire: Proxy
    journal: PostgresJournal
    beside: PostgresJournal


@pytest.fixture
async def bed(database: Database) -> AsyncIterator[Bed]:
    """A journal on a fresh database whose connection can be held and cut."""
    async with (
        proxy(database.service_url) as wire,
        open_journal(wire.url, deadline=DEADLINE, batch=8) as journal,
        open_journal(database.service_url) as beside,
    ):
        await journal.append(request())
        yield Bed(database, wire, journal, beside)
        wire.release()


async def committed_by_server(bed: Bed, events: int) -> None:
    """Return once Postgres has committed so many events in all, whoever was told."""
    async with asyncio.timeout(60):
        while await bed.beside.head() < events:
            await asyncio.sleep(0.002)


async def terminate(bed: Bed) -> None:
    """End the server process of the appending session."""
    async with owner_session(bed.database) as owner:
        await owner.execute("SELECT pg_terminate_backend($1)", bed.journal.backend_pid)


async def lost_before(bed: Bed) -> None:
    """The batch never reached Postgres."""
    await bed.wire.held.wait()
    bed.wire.release()
    bed.wire.cut()


async def persisted_but_unacknowledged(bed: Bed) -> None:
    """Postgres committed; its answer was lost."""
    await committed_by_server(bed, 4)
    bed.wire.release()
    bed.wire.cut()


async def request_slow(bed: Bed) -> None:
    """The batch reached Postgres after the deadline."""
    await bed.wire.held.wait()
    await asyncio.sleep(1.5 * DEADLINE)
    bed.wire.release()


async def answer_slow(bed: Bed) -> None:
    """Postgres committed in time; its answer came after the deadline."""
    await committed_by_server(bed, 4)
    await asyncio.sleep(1.5 * DEADLINE)
    bed.wire.release()


async def backend_gone(bed: Bed) -> None:
    """The server process of the session was ended while its append waited."""
    await terminate(bed)


Step = Callable[[Bed], Awaitable[None]]
TABLE: dict[str, tuple[Callable[[Proxy], None], Step, int]] = {
    # fault: (what the wire does from the start, what happens then, events persisted of the three)
    "lost before Postgres": (Proxy.hold_requests, lost_before, 0),
    "persisted, acknowledgement lost": (Proxy.hold_answers, persisted_but_unacknowledged, 3),
    "slow on the way in": (Proxy.hold_requests, request_slow, 3),
    "slow on the way out": (Proxy.hold_answers, answer_slow, 3),
}


def three() -> list[Append]:
    """A batch of two requests, three events."""
    return [request(count=2), request()]


@pytest.mark.parametrize("fault", TABLE)
async def test_fault_on_the_wire(bed: Bed, fault: str) -> None:
    """Nobody is told success, what was persisted is whole, and the journal goes on without a restart."""
    begin, then, persisted = TABLE[fault]
    begin(bed.wire)
    batch = three()
    callers = [asyncio.create_task(outcome_of(bed.journal.append(one))) for one in batch]
    await then(bed)
    outcomes = await asyncio.gather(*callers)
    assert all(isinstance(outcome, TOLD_FAILED) for outcome in outcomes)
    if persisted:
        await committed_by_server(bed, 1 + persisted)
    await goes_on(bed)
    assert persisted == sum([len(await bed.beside.read_stream(one.stream)) for one in batch])


@pytest.mark.parametrize("batches", [1, 3])
async def test_backend_ended_while_its_append_waits(bed: Bed, batches: int) -> None:
    """A session that Postgres ends in the middle of an append fails its batch alone; what waits goes on."""
    async with PostgresBench(bed.database).hold() as hold:
        callers = [asyncio.create_task(outcome_of(bed.journal.append(request()))) for _ in range(8 * batches)]
        await hold.reached()
        await terminate(bed)
        first = await asyncio.gather(*callers[:8])
    rest = await asyncio.gather(*callers[8:])
    assert {JournalUnavailable} == {type(outcome) for outcome in first}
    assert {Appended} >= {type(outcome) for outcome in rest}
    await goes_on(bed)
    assert 2 + len(rest) == len(await all_events(bed.beside))


@pytest.mark.parametrize("code", ["53100", "40P01", "57014", "25006", "XX000"])
async def test_postgres_refuses_the_commit(bed: Bed, code: str) -> None:
    """A full disk, a deadlock, a cancelled query, a read-only server, an internal error: told as failed, no trace."""
    async with owner_session(bed.database) as owner:
        await owner.execute(
            f"""CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'a fault put in' USING ERRCODE = '{code}'; END $$;
                CREATE TRIGGER fail AFTER INSERT ON journal.events EXECUTE FUNCTION fail()"""
        )
        outcomes = await asyncio.gather(*(outcome_of(bed.journal.append(one)) for one in three()))
        await owner.execute("DROP TRIGGER fail ON journal.events")
    assert {JournalUnavailable} == {type(outcome) for outcome in outcomes}
    await goes_on(bed)
    assert len(await all_events(bed.beside)) == 2


async def test_a_connection_that_went_silent_for_good_is_given_up(bed: Bed) -> None:
    """Where the route is lost and nobody closes the connection, the journal makes another one by itself."""
    bed.wire.strand()
    assert isinstance(await outcome_of(bed.journal.append(request())), JournalTimeout)
    await until(lambda: bed.journal.queue_depth == 0, seconds=15)
    assert isinstance(await bed.journal.append(request()), Appended)
    assert len(await all_events(bed.beside)) == 2


async def test_postgres_away_for_a_while(bed: Bed) -> None:
    """While every connection is refused each append is told so; with the first that is let in all is well."""
    bed.wire.hold()
    bed.wire.cut()
    for _ in range(3):
        assert isinstance(await outcome_of(bed.journal.append(request())), TOLD_FAILED)
    bed.wire.release()
    bed.wire.cut()
    await goes_on(bed)
    assert len(await all_events(bed.beside)) >= 2


async def test_reading_through_a_silent_wire_fails_within_the_deadline(bed: Bed) -> None:
    """A read that is not answered is told as such at the deadline, and the next one after is answered."""
    bed.wire.hold()
    for read in (bed.journal.head, lambda: bed.journal.read(0, 1), bed.journal.read_entities):
        with pytest.raises(JournalTimeout):
            async with asyncio.timeout(60):
                await read()
    bed.wire.release()
    bed.wire.cut()
    assert await settled_head(bed) == 1


async def test_reading_through_a_cut_wire_fails(bed: Bed) -> None:
    """A read whose connection is cut is told as such, never as an empty answer."""
    bed.wire.hold_answers()
    reading = asyncio.create_task(bed.journal.read(0, 10))
    await bed.wire.held.wait()
    bed.wire.release()
    bed.wire.cut()
    with pytest.raises(JournalUnavailable):
        await reading
    assert await settled_head(bed) == 1


async def test_a_read_that_postgres_refuses_is_unavailable(bed: Bed) -> None:
    """An error that is no connection failure is told as JournalUnavailable too: 503, never 500."""
    async with owner_session(bed.database) as owner:
        await owner.execute("ALTER TABLE journal.head RENAME TO elsewhere")
        with pytest.raises(JournalUnavailable):
            await bed.journal.head()
        await owner.execute("ALTER TABLE journal.elsewhere RENAME TO head")
    assert await bed.journal.head() == 1


@pytest.mark.parametrize("seed", range(3))
async def test_random_faults(bed: Bed, seed: int) -> None:
    """Under cuts and holds at random moments: each success is there at its place, and each failure was told."""
    chance = random.Random(seed)
    succeeded: dict[UUID, Appended] = {}
    failed: list[UUID] = []

    async def write() -> None:
        for _ in range(25):
            stream = new_stream()
            outcome = await outcome_of(bed.journal.append(Append(stream, 0, (enabled(), enabled()))))
            if isinstance(outcome, Appended):
                succeeded[stream] = outcome
            else:
                assert isinstance(outcome, TOLD_FAILED)
                failed.append(stream)
            await asyncio.sleep(chance.random() * 0.01)

    writers = asyncio.gather(*(write() for _ in range(8)))
    while not writers.done():
        await asyncio.sleep(chance.random() * 0.03)
        chance.choice((bed.wire.hold_requests, bed.wire.hold_answers, bed.wire.cut))()
        await asyncio.sleep(chance.random() * 0.02)
        if chance.random() < 0.5:
            bed.wire.cut()
        bed.wire.release()
    await writers
    await goes_on(bed)
    places: dict[UUID, list[int]] = {}
    for event in await all_events(bed.beside):
        places.setdefault(event.stream, []).append(event.position)
    assert {stream: [one.first, one.last] for stream, one in succeeded.items()} == {
        stream: places.get(stream) for stream in succeeded
    }
    assert {2} >= {len(places[stream]) for stream in failed if stream in places}
    assert succeeded
    assert failed


async def goes_on(bed: Bed) -> None:
    """Without a restart, the journal appends again, and its positions are dense."""
    await until(lambda: bed.journal.queue_depth == 0)
    outcomes: list[Appended | JournalError] = []
    for _ in range(3):
        outcomes.append(await outcome_of(bed.journal.append(request())))
        if isinstance(outcomes[-1], Appended):
            break
    assert isinstance(outcomes[-1], Appended)
    assert outcomes[-1].last == len(await all_events(bed.beside))


async def settled_head(bed: Bed) -> int:
    """The head, once the pool has thrown its dead connections away."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await bed.journal.head()
            except JournalUnavailable:
                continue

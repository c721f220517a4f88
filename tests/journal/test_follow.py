"""A worker's feed: equal to the journal, fresh only while it may be, halted by poison."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from projections.state import WorkerState
from schema import events
from schema.envelope import Fact
from schema.streams import KEYS_STREAM, client_stream, new_stream, resource_stream
from service.journal.follow import Follower
from service.journal.port import Append, JournalUnavailable
from tests.journal.benches import open_journal, owner_session
from tests.journal.contract import all_events, enabled, until
from tests.journal.proxy import Proxy, proxy
from tests.journal.workers import Worker, folded, folded_up_to, open_worker
from tests.projections.histories import issued
from tests.servers import Database

BOUND = 0.5
LONG = 60.0
"""A staleness bound with which no lease is renewed while a test runs: what is seen came by the feed."""


@pytest.fixture
async def worker(database: Database) -> AsyncIterator[Worker]:
    """A worker whose lease outlasts the test."""
    async with open_worker(database.service_url, bound=LONG) as running:
        yield running


@pytest.fixture
async def wire(database: Database) -> AsyncIterator[Proxy]:
    """A wire to the database that can be held and cut."""
    async with proxy(database.service_url) as running:
        yield running


def refusals(count: int = 1) -> Append:
    """Events that change no worker's answers."""
    refused = events.AccessRejected(endpoint="token", error="invalid_client", reason="unknown_client", status=401)
    return Append(new_stream(), 0, (refused,) * count)


def registered(name: str) -> events.ClientRegistered:
    """A client that becomes known."""
    return events.ClientRegistered(client_id=name, auth_method="client_secret_basic", secret_digest="x")


async def test_state_equals_the_fold_of_the_journal(database: Database) -> None:
    """Whatever several workers write at once, each ends with the state that the journal makes."""
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(open_worker(database.service_url, bound=LONG)) for _ in range(3)]
        await asyncio.gather(*(write_a_lot(worker, number) for number, worker in enumerate(workers)))
        recorded = await all_events(workers[0].journal)
        for worker in workers:
            await folded_up_to(worker, len(recorded))
        expected = folded(recorded)
        for worker in workers:
            state = worker.state
            assert len(recorded) == state.position
            assert (expected.access.clients, expected.access.resources) == (
                state.access.clients,
                state.access.resources,
            )
            assert expected.keys.keys == state.keys.keys
            grants = {event.stream for event in recorded if event.type.startswith("token.")}
            assert [expected.grants.get(one) for one in grants] == [state.grants.get(one) for one in grants]


async def write_a_lot(worker: Worker, number: int) -> None:
    """Clients, resources, tokens and revocations, of names of one's own."""
    for turn in range(25):
        name = f"c{number}-{turn}"
        grant_id = await worker.issue()
        await asyncio.gather(
            worker.revoke(grant_id),
            worker.journal.append(Append(client_stream(name), 0, (registered(name), enabled(name)))),
            worker.journal.append(Append(resource_stream(name), 0, (events.ResourceRegistered(uri=name),))),
            worker.issue(),
        )


async def test_starts_with_what_lives_long(database: Database) -> None:
    """A worker that starts knows every client at the head, is fresh, and leaves old grants to be read on demand."""
    async with open_journal(database.service_url) as journal:
        await journal.append(Append(client_stream("alpha"), 0, (registered("alpha"),)))
        grant_id = new_stream()
        await journal.append(Append(grant_id, 0, (issued(lifetime=2_000_000_000),)))
        async with open_worker(database.service_url) as worker:
            assert {"alpha"} == set(worker.state.access.clients)
            assert (worker.state.position, worker.follower.fresh, worker.state.grants.get(grant_id)) == (2, True, None)


async def test_own_commits_are_folded_before_they_are_answered(worker: Worker) -> None:
    """A worker never answers from before its own commit."""
    for turn in range(20):
        appended = await worker.journal.append(refusals())
        assert (turn + 1, appended.last) == (appended.last, worker.state.position)


async def test_commits_before_the_start_are_folded_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker itself commits before it follows is in its state once."""
    async with open_worker(database.service_url, bound=LONG) as worker:
        created = events.KeyCreated(kid="one", alg="ES256", jwk={}, created_at=1, activates_at=1)
        await worker.journal.append(Append(KEYS_STREAM, 0, (created, events.KeyActivated(kid="one", activated_at=1))))
        folds: list[Fact] = []
        monkeypatch.setattr(worker.state, "apply", folds.append)
        await worker.follower.stop()
        await worker.follower.start(worker.journal)
        assert folds == []
        assert worker.state.position == 2


async def test_commits_of_others_arrive_without_polling(worker: Worker, database: Database) -> None:
    """What another process commits is folded when Postgres notifies, long before the lease is renewed."""
    async with open_journal(database.service_url) as other:
        for _ in range(20):
            appended = await other.append(refusals(count=3))
            await folded_up_to(worker, appended.last, seconds=LONG / 6)


async def test_more_than_a_page_is_folded(worker: Worker, database: Database) -> None:
    """A worker that is far behind reads page after page."""
    async with open_journal(database.service_url, limit=3_000, batch=1_000) as other:
        await asyncio.gather(*(other.append(refusals(count=5)) for _ in range(450)))
        await worker.follower.settled(2_250)
        assert worker.state.position == 2_250


async def test_a_lost_listening_connection_is_made_again(worker: Worker, database: Database) -> None:
    """What was committed while nobody listened is folded, and so is what comes after."""
    async with open_journal(database.service_url) as other, owner_session(database) as owner:
        for _ in range(2):
            listening = worker.follower._connection
            assert listening is not None
            await owner.execute("SELECT pg_terminate_backend($1)", listening.get_server_pid())
            missed = await other.append(refusals())
            await folded_up_to(worker, missed.last, seconds=LONG / 4)
            await until(lambda before=listening: worker.follower._connection is not before)  # type: ignore[misc]


async def test_after_settled_nobody_answers_from_before(database: Database) -> None:
    """Of four workers under load none has a lease and a state from before a revocation that was answered."""
    revocations, workers_at_once = 240, 6
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(open_worker(database.service_url)) for _ in range(4)]
        done, chance = asyncio.Event(), random.Random(1)
        late: list[int] = []

        async def load(worker: Worker) -> None:
            while not done.is_set():
                await asyncio.gather(*(worker.issue() for _ in range(5)))

        async def revoke() -> None:
            for _ in range(revocations // workers_at_once):
                issuer, revoker = chance.sample(workers, 2)
                position = await revoker.revoke(await issuer.issue())
                await revoker.follower.settled(position)
                late.extend(position for worker in workers if worker.may_answer_from_before(position))

        loads = [asyncio.create_task(load(worker)) for worker in workers]
        await asyncio.gather(*(revoke() for _ in range(workers_at_once)))
        done.set()
        await asyncio.gather(*loads)
        assert late == []
        assert all(worker.follower.poison is None for worker in workers)


async def test_settled_waits_for_a_silent_reader_until_its_lease_is_out(database: Database, wire: Proxy) -> None:
    """A worker that is cut off from Postgres can answer within its lease, so a revocation is answered only after."""
    async with (
        open_worker(database.service_url, bound=BOUND) as revoker,
        open_worker(wire.url, bound=BOUND, deadline=1.0) as silent,
    ):
        for _ in range(3):
            grant_id = await revoker.issue()
            await folded_up_to(silent, revoker.state.position)
            await fresh_again(silent)
            wire.hold()
            position = await revoker.revoke(grant_id)
            async with asyncio.timeout(LONG / 2):
                await revoker.follower.settled(position)
            assert (silent.follower.fresh, silent.state.position < position) == (False, True)
            wire.release()
            wire.cut()
            await fresh_again(silent)
            assert position <= silent.state.position


async def test_slow_readers_under_load(database: Database, wire: Proxy) -> None:
    """A worker whose wire stalls at random moments never answers from before an answered revocation."""
    async with (
        open_worker(database.service_url, bound=BOUND) as revoker,
        open_worker(wire.url, bound=BOUND) as slow,
    ):
        revoking, chance = True, random.Random(2)

        async def stall() -> None:
            while revoking:
                await asyncio.sleep(chance.random() * 0.02)
                chance.choice((wire.hold, wire.hold_answers, wire.hold_requests))()
                await asyncio.sleep(chance.random() * 0.05)
                wire.release()

        stalling = asyncio.create_task(stall())
        late = []
        for _ in range(40):
            position = await revoker.revoke(await revoker.issue())
            await revoker.follower.settled(position)
            late += [position] if slow.may_answer_from_before(position) else []
        revoking = False
        await stalling
        assert late == []


async def test_a_worker_that_is_cut_off_is_not_fresh(wire: Proxy, database: Database) -> None:
    """Past its bound it fails closed; once Postgres is back it is fresh again, with all that it missed."""
    async with (
        open_worker(wire.url, bound=BOUND, deadline=1.0) as worker,
        open_journal(database.service_url) as other,
    ):
        await fresh_again(worker)
        wire.hold()
        appended = await other.append(refusals())
        await until(lambda: not worker.follower.fresh)
        with pytest.raises(JournalUnavailable):
            async with asyncio.timeout(LONG / 2):
                await worker.follower.ensure_fresh()
        wire.release()
        wire.cut()
        await fresh_again(worker)
        assert appended.last == worker.state.position


async def test_a_lease_is_renewed_on_demand(worker: Worker, database: Database) -> None:
    """A worker whose lease is out asks Postgres before it answers, and knows what was committed until then."""
    async with open_journal(database.service_url) as other:
        for task in worker.follower._tasks:
            task.cancel()
        appended = await other.append(refusals())
        worker.follower._lease_until = 0.0
        assert not worker.follower.fresh
        await worker.follower.ensure_fresh()
        assert (True, appended.last) == (worker.follower.fresh, worker.state.position)


@pytest.mark.parametrize("late", [2, 1_000_000])
async def test_a_lease_that_ran_out_while_it_was_renewed_is_renewed_once_more(
    database: Database, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """A process that had too little time for it tries again, within the deadline; then it is said that it cannot be."""
    async with open_worker(database.service_url, deadline=1.0) as worker:
        for task in worker.follower._tasks:
            task.cancel()
        renew, runs = worker.follower._renew, 0

        async def slow() -> None:
            nonlocal runs
            runs += 1
            await renew()
            if runs <= late:
                worker.follower._lease_until = 0.0

        monkeypatch.setattr(worker.follower, "_renewal", slow)
        worker.follower._lease_until = 0.0
        if late > 2:
            with pytest.raises(JournalUnavailable, match="within the deadline"):
                await worker.follower.ensure_fresh()
            return
        await worker.follower.ensure_fresh()
        assert (runs, worker.follower.fresh) == (3, True)


async def test_a_worker_that_stops_gives_its_lease_up(database: Database) -> None:
    """Nobody waits for a worker that has left."""
    async with open_worker(database.service_url, bound=LONG) as worker:
        pass
    assert not worker.follower.fresh
    async with open_worker(database.service_url, bound=BOUND) as other, asyncio.timeout(LONG / 2):
        await other.follower.settled(await other.revoke(await other.issue()))


@pytest.mark.parametrize("statement", [1, 2])
async def test_a_worker_that_starts_during_a_revocation(database: Database, statement: int) -> None:
    """Whatever is committed between the statements of a first renewal, the new worker never answers from before it."""
    async with (
        open_worker(database.service_url, bound=BOUND) as revoker,
        open_journal(database.service_url) as journal,
    ):
        follower = Follower(database.service_url, WorkerState(100), uuid.uuid4(), BOUND)
        newcomer = Worker(journal, follower.state, follower)
        original, settled, asked = journal.fetch, list[int](), 0

        async def fetch(query: str, *arguments: object) -> list[Any]:
            nonlocal asked
            rows = await original(query, *arguments)
            asked += 1
            if asked == statement:
                settled.append(await revoker.revoke(await revoker.issue()))
                await revoker.follower.settled(settled[0])
            return rows

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(journal, "fetch", fetch)
            await follower.start(journal)
        late = newcomer.may_answer_from_before(settled[0])
        await follower.stop()
        assert not late


async def test_stopping_ends_at_once_whatever_happens_beside_it(database: Database) -> None:
    """A worker that is told to stop in the very moment in which its lease is due stops."""
    async with open_worker(database.service_url, bound=LONG) as worker:
        for turns in range(6):
            await turns_of_the_loop(10)
            worker.follower._renewal_due.set()
            await turns_of_the_loop(turns)
            async with asyncio.timeout(LONG / 2):
                await worker.follower.stop()
            assert all(task.done() for task in worker.follower._tasks)
            await worker.follower.start(worker.journal)


async def turns_of_the_loop(count: int) -> None:
    """Let everything else run so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def poison(database: Database, *, kind: str = "token.teleported", data: str = "{}", skip: int = 1) -> int:
    """What no program of ours does: the owner writes past the append function. Returns the head."""
    async with owner_session(database) as owner, owner.transaction():
        head = await owner.fetchval("UPDATE journal.head SET position = position + $1 RETURNING position", skip)
        await owner.execute(
            "INSERT INTO journal.events VALUES ($1, $2, 1, $3, '_', $4, 'x', NULL, NULL, now())",
            head,
            new_stream(),
            kind,
            data,
        )
        await owner.execute("SELECT pg_notify('tallystick_journal', $1)", str(head))
        return int(head)


async def test_notifications_of_anybody_change_nothing(worker: Worker, database: Database) -> None:
    """Whoever can log in can notify: what is no position, or none that there is, raises nothing and is not believed."""
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    async with open_journal(database.service_url) as other, owner_session(database) as owner:
        for payload in ("", "junk", "-1", "9223372036854775806", "9" * 5_000):
            await owner.execute("SELECT pg_notify('tallystick_journal', $1)", payload)
        await owner.execute("SELECT pg_notify('tallystick_readers', 'junk')")
        appended = await other.append(refusals())
        await until(lambda: worker.state.position >= appended.last)
    assert (appended.last, appended.last) == (worker.follower.head, worker.state.position)
    assert worker.follower.fresh
    assert errors == []


@pytest.mark.parametrize("kind", ["token.teleported", "token.issued"])
async def test_poison_halts(worker: Worker, database: Database, kind: str) -> None:
    """An event that cannot be read stops the worker before it: it says which, answers nothing, and skips nothing."""
    async with open_journal(database.service_url) as other:
        before = await other.append(refusals())
        await folded_up_to(worker, before.last)
        position = await poison(database, kind=kind)
        later = await other.append(refusals())
        await until(lambda: worker.follower.poison is not None)
        await halted_before(worker, position)
        with pytest.raises(JournalUnavailable):
            await worker.follower.settled(later.last)
        await halted_before(worker, position)


async def test_an_event_that_makes_no_sense_halts(worker: Worker, database: Database) -> None:
    """A well-formed event that no fold can take is poison as well."""
    async with open_journal(database.service_url) as other:
        appended = await other.append(Append(client_stream("nobody"), 0, (enabled("nobody"),)))
        await until(lambda: worker.follower.poison is not None)
        await halted_before(worker, appended.last)


async def test_own_poison_halts(worker: Worker) -> None:
    """A worker that commits such an event itself is halted by it too."""
    appended = await worker.journal.append(Append(client_stream("nobody"), 0, (enabled("nobody"),)))
    await halted_before(worker, appended.last)


async def test_a_hole_in_the_journal_halts(worker: Worker, database: Database) -> None:
    """A position that is missing is as bad as one that cannot be read: it may have been a revocation."""
    (harmless, *_), kind = refusals().events, "access.rejected"
    position = await poison(database, kind=kind, data=events.encode(harmless).decode(), skip=3)
    await until(lambda: worker.follower.poison is not None)
    await halted_before(worker, position - 2)


async def test_poison_at_the_start(database: Database) -> None:
    """A worker that begins on streams it cannot fold is halted: readiness can say so, and nothing is answered."""
    async with open_journal(database.service_url) as journal:
        await journal.append(Append(client_stream("nobody"), 0, (enabled("nobody"),)))
    async with open_worker(database.service_url) as worker:
        assert worker.follower.poison is not None
        with pytest.raises(JournalUnavailable, match="halted"):
            await worker.follower.ensure_fresh()


async def halted_before(worker: Worker, position: int) -> None:
    """The worker stands before `position`, says so, and does not answer."""
    assert (position - 1, False) == (worker.state.position, worker.follower.fresh)
    assert worker.follower.poison is not None
    assert f"event {position} " in worker.follower.poison
    with pytest.raises(JournalUnavailable, match="halted"):
        await worker.follower.ensure_fresh()
    with pytest.raises(JournalUnavailable):
        await worker.follower.refresh()
    assert not worker.follower.fresh


async def fresh_again(worker: Worker) -> None:
    """Return once a worker that was cut off may answer."""
    async with asyncio.timeout(LONG):
        while True:
            try:
                return await worker.follower.ensure_fresh()
            except JournalUnavailable:
                await asyncio.sleep(0.01)

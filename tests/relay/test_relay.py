"""The relay against real servers: whatever happens to them, the stream ends up as the journal."""

from __future__ import annotations

import asyncio
import signal

import pytest

from service.journal.postgres import PostgresJournal
from service.journal.stream import Stream, message_of
from tests.nats_server import NatsServer
from tests.relay.support import ISSUER, NEVER, Relays, append, until

HAND_MADE = {
    "name": "TALLYSTICK",
    "subjects": ["tally.v1.>"],
    "storage": "file",
    "allow_atomic": True,
    "allow_direct": True,
}
FOREIGN = "tally.v1.token.issued.intruder"


async def test_every_event_is_at_the_sequence_of_its_position(journal: PostgresJournal, relays: Relays) -> None:
    """What was committed before the relay began and while it runs is published, each once, in order."""
    await append(journal, 300)
    relay = relays.start()
    await append(journal, 300)
    await until(lambda: relay.position == 1_200)
    report = await relays.whole()
    assert (report.listed, report.events, report.stream_last) == ([], 1_200, 1_200)
    assert relay.published == 1_200


async def test_a_commit_wakes_the_relay(journal: PostgresJournal, relays: Relays) -> None:
    """With all its timers an hour long, the relay publishes what is committed: it is the commit that wakes it."""
    relay = relays.start(pace=NEVER)
    await until(lambda: relay.state == "running")
    for position in (2, 4, 6):
        assert (await append(journal, 1)).last == position
        await until(lambda wanted=position: relay.position == wanted)


async def test_the_relay_reports_itself(journal: PostgresJournal, relays: Relays) -> None:
    """Position, state and a sign of life are in Postgres, also when nothing happens."""
    relay = relays.start()
    await append(journal, 1)

    async def has_reported() -> bool:
        return await relays.reported() == (2, "running", "")

    await until(has_reported)
    seen = (await relays.sql("SELECT seen_at FROM journal.relay"))[0]["seen_at"]

    async def is_alive() -> bool:
        return bool((await relays.sql("SELECT seen_at > $1 AS later FROM journal.relay", seen))[0]["later"])

    await until(is_alive)
    assert relay.state == "running"


async def test_a_deleted_stream_is_filled_again(journal: PostgresJournal, relays: Relays) -> None:
    """It is noticed without traffic, and made anew from Postgres."""
    relay = relays.start()
    await append(journal, 150)
    await until(lambda: relay.position == 300)
    await relays.api("STREAM.DELETE")
    await until(lambda: relay.published == 600)
    assert (await relays.whole()).listed == []


async def test_a_journal_that_begins_later_makes_a_stream_that_begins_there(
    journal: PostgresJournal, relays: Relays
) -> None:
    """Sequence = position also when the journal no longer keeps its first events."""
    await append(journal, 3)
    await relays.sql("DELETE FROM journal.events WHERE position <= 4")
    relay = relays.start()
    await until(lambda: relay.position == 6)
    assert await relays.sequences() == [5, 6]


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("STREAM.PURGE", {"seq": 3}),
        ("STREAM.PURGE", {}),
        ("STREAM.MSG.DELETE", {"seq": 4, "no_erase": True}),
        ("STREAM.MSG.DELETE", {"seq": 1, "no_erase": True}),
        ("STREAM.MSG.DELETE", {"seq": 6, "no_erase": True}),
    ],
)
async def test_a_cut_stream_is_made_anew(
    journal: PostgresJournal, relays: Relays, call: str, body: dict[str, object]
) -> None:
    """A stream that lacks messages at its begin, in its middle or all of them is replaced by a whole one."""
    await append(journal, 3)
    first = relays.start()
    await until(lambda: first.position == 6)
    await relays.stop_one(0)
    await relays.api("STREAM.DELETE")
    await relays.api("STREAM.CREATE", HAND_MADE)
    await refill_by_hand(journal, relays)
    assert (await relays.api(call, body))["success"]
    second = relays.start()
    await until(lambda: second.position == 6 and second.state == "running")
    assert second.recreated == 1
    assert (await relays.whole()).listed == []


async def test_messages_cannot_be_deleted_or_purged(journal: PostgresJournal, relays: Relays) -> None:
    """The stream's own settings refuse what only a mistake or an intruder would ask for."""
    relay = relays.start()
    await append(journal, 2)
    await until(lambda: relay.position == 4)
    assert "error" in await relays.api("STREAM.PURGE", {})
    assert "error" in await relays.api("STREAM.MSG.DELETE", {"seq": 2})


async def test_a_shortened_stream_is_continued(journal: PostgresJournal, relays: Relays) -> None:
    """A stream that lacks its end, as after a lost disk write, gets it again, and nothing twice."""
    await append(journal, 5)
    await relays.api("STREAM.CREATE", HAND_MADE)
    await refill_by_hand(journal, relays, 4)
    relay = relays.start()
    await until(lambda: relay.position == 10)
    assert (relay.published, relay.recreated) == (6, 0)
    assert (await relays.whole()).listed == []


@pytest.mark.parametrize("traffic", [False, True])
async def test_a_foreign_message_halts_the_relay_until_the_stream_is_deleted(
    journal: PostgresJournal, relays: Relays, caplog: pytest.LogCaptureFixture, traffic: bool
) -> None:
    """It is not published over: the relay says which sequence it is, raises the alarm and waits for the remedy."""
    relay = relays.start()
    await append(journal, 2)
    await until(lambda: relay.position == 4)
    await relays.publish(FOREIGN, b"{}")
    if traffic:
        await append(journal, 2)

    async def is_halted() -> bool:
        position, state, reason = await relays.reported()
        return (position, state) == (4, "halted") and "sequence 5" in reason

    await until(is_halted)
    await append(journal, 2)
    assert await relays.sequences() == [1, 2, 3, 4, 5]
    assert [each.levelname for each in caplog.records if "halted" in each.message] == ["CRITICAL"]
    await relays.api("STREAM.DELETE")
    await until(lambda: relay.position == (12 if traffic else 8))
    assert (await relays.whole()).listed == []


async def test_a_hole_in_the_journal_halts_the_relay(journal: PostgresJournal, relays: Relays) -> None:
    """A position that is missing is never skipped."""
    await append(journal, 3)
    await relays.sql("DELETE FROM journal.events WHERE position = 4")
    relay = relays.start()
    await until(lambda: relay.state == "halted")
    assert relay.reason == "the journal has no event at position 4; the next one is 5"
    assert await relays.sequences() == []


async def test_another_relay_takes_over(journal: PostgresJournal, relays: Relays) -> None:
    """One leads; when its session ends, the other goes on where it was, and nothing is there twice."""
    first = relays.start()
    await until(lambda: first.state == "running")
    second = relays.start()
    await append(journal, 50)
    await until(lambda: first.position == 100)
    assert second.published == 0
    await relays.stop_one(0)
    await append(journal, 50)
    await until(lambda: second.position == 200)
    assert (first.published, second.published) == (100, 100)
    assert (await relays.whole()).listed == []


async def test_a_leader_whose_session_is_gone_leads_no_more(journal: PostgresJournal, relays: Relays) -> None:
    """Losing the connection is losing the leadership: of two relays one goes on, under traffic, without a repeat."""
    both = [relays.start(), relays.start()]
    for _ in range(5):
        await append(journal, 20)
        await relays.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database"
            " WHERE locktype = 'advisory' AND granted AND datname = current_database()"
        )
        await append(journal, 20)
    await until(lambda: max(relay.position for relay in both) == 400)
    assert (await relays.whole()).listed == []


async def test_nats_away_and_back(journal: PostgresJournal, relays: Relays, nats: NatsServer) -> None:
    """Killed under traffic, NATS makes the relay degraded and nothing else; back again, it gets what it missed."""
    relay = relays.start()
    await append(journal, 100)
    await nats.kill()
    await append(journal, 100)

    async def is_degraded() -> bool:
        return (await relays.reported())[1] == "degraded"

    await until(is_degraded)
    await nats.start()
    await until(lambda: relay.position == 400 and relay.state == "running")
    assert (await relays.whole()).listed == []


async def test_frozen_nats(journal: PostgresJournal, relays: Relays, nats: NatsServer) -> None:
    """A server that keeps its connections and does not answer is away, too."""
    relay = relays.start(timeout=0.5)
    await append(journal, 10)
    await until(lambda: relay.position == 20)
    nats.signal(signal.SIGSTOP)
    await append(journal, 10)
    await until(lambda: relay.state == "degraded")
    nats.signal(signal.SIGCONT)
    await until(lambda: relay.position == 40 and relay.state == "running")
    assert (await relays.whole()).listed == []


async def test_chores_are_done_by_the_leader_and_their_failure_is_no_ones(
    journal: PostgresJournal, relays: Relays, caplog: pytest.LogCaptureFixture
) -> None:
    """The leader calls them; one that fails is logged and disturbs nothing."""
    called = asyncio.Event()

    async def fails() -> None:
        called.set()
        raise RuntimeError("the chore")

    relay = relays.start(chores=fails)
    await asyncio.wait_for(called.wait(), 10)
    await append(journal, 1)
    await until(lambda: relay.position == 2)
    assert "a chore of the relay failed" in caplog.text


async def refill_by_hand(journal: PostgresJournal, relays: Relays, last: int | None = None) -> None:
    """Fill a stream that was made by hand, so that nothing in its settings is denied."""
    recorded = await journal.read(0, last or 1_000)
    async with relays.connection() as connection:
        stream = Stream(connection)
        await stream._inbox.listen(connection)
        await stream.publish([message_of(each, ISSUER) for each in recorded], 0)

"""One partition of the engine against real servers."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
import pytest

from consumers.anomalies.contract import Signal
from consumers.anomalies.deliveries import Undelivered
from consumers.anomalies.findings import Told
from consumers.anomalies.ledger import Ledger
from consumers.anomalies.partition import durable_of
from consumers.anomalies.partitions import Partitions
from consumers.anomalies.verify import Verifier
from consumers.connection import connect
from schema.envelope import Fact, RecordedEvent
from schema.events import AccessRejected
from schema.streams import new_stream
from service.anomalies.found import acknowledge, read_found
from service.journal.postgres import PostgresJournal
from service.journal.stream import message_of
from tests.anomalies.engine.engines import NEVER_KEPT, Engines, Threes
from tests.nats_server import NatsServer
from tests.relay.support import Relays, until
from tests.servers import Database

DETECTED, EXTENDED = "anomaly.detected", "anomaly.extended"


async def test_what_a_rule_finds_is_in_the_journal_at_once(engines: Engines, relays: Relays) -> None:
    """The deciding event leads to a finding in the journal, and the finding grows when it has doubled."""
    relays.start()
    engine = await engines.start()
    await until(lambda: engine.state == "running")
    await engines.refuse("192.0.2.1", times=3)
    await engines.judged(engine)
    assert await engines.told() == [(DETECTED, "source 192.0.2.1", 3)]

    await engines.refuse("192.0.2.1", times=4)
    await engines.judged(engine)
    assert await engines.told() == [(DETECTED, "source 192.0.2.1", 3), (EXTENDED, "source 192.0.2.1", 6)]


async def test_a_crash_between_snapshots_finds_the_same(engines: Engines, relays: Relays) -> None:
    """What was judged after the last snapshot is judged again, and what was found of it is not told twice."""
    relays.start()
    engine = await engines.start(pace=NEVER_KEPT)
    await until(lambda: engine.state == "running")
    await engines.refuse("192.0.2.1", times=4)
    await engines.judged(engine)
    await engines.crash()
    await engines.refuse("192.0.2.1", times=2)
    engine = await engines.start(pace=NEVER_KEPT)
    await engines.judged(engine)

    assert await engines.told() == [(DETECTED, "source 192.0.2.1", 3), (EXTENDED, "source 192.0.2.1", 6)]


async def test_a_snapshot_is_gone_on_from_and_acknowledged(engines: Engines, relays: Relays) -> None:
    """After a restart the counts go on, and the floor of the durable consumer is what was kept, no more."""
    relays.start()
    engine = await engines.start()
    await until(lambda: engine.state == "running")
    last = await engines.refuse("192.0.2.1", times=2)
    await until(lambda: engine._memories.kept >= last)
    await until(lambda: _floor_is(engines, relays, engine._memories.kept))
    await engines.crash()
    engine = await engines.start(pace=NEVER_KEPT)
    await engines.refuse("192.0.2.1")
    await engines.judged(engine)

    assert await engines.told() == [(DETECTED, "source 192.0.2.1", 3)]
    assert await _floor_is(engines, relays, engine._memories.kept)


async def test_a_failed_append_is_made_up_for_before_anything_is_forgotten(engines: Engines, relays: Relays) -> None:
    """While a finding cannot be told no snapshot goes past it, so that a crash then does not lose it."""
    relays.start()

    async def cannot(_: Told) -> None:
        raise Undelivered("no journal")

    engine = await engines.start(deliver=cannot)
    await until(lambda: engine.state == "running")
    last = await engines.refuse("192.0.2.1", times=3)
    await until(lambda: engine.position >= last and engine.state == "degraded")
    await asyncio.sleep(0.3)
    assert engine._memories.kept < last
    await engines.crash()
    await engines.judged(await engines.start())
    assert await engines.told() == [(DETECTED, "source 192.0.2.1", 3)]


def _whole(position: str, version: str) -> dict[str, str]:
    return {
        "ce-specversion": "1.0",
        "ce-id": position,
        "ce-source": "x",
        "ce-type": "tallystick.access.rejected.v1",
        "ce-subject": str(new_stream()),
        "ce-time": "2026-01-01T00:00:00Z",
        "ce-version": version,
        "ce-actor": "x",
        "Content-Type": "application/json",
    }


@pytest.mark.parametrize(
    ("subject", "headers", "data", "reason"),
    [
        ("tally.v1.access.rejected._", {}, b"garbage", "has not the headers of an event"),
        ("tally.v1.access.rejected._", {"ce-id": "1"}, b"{}", "has not the headers of an event"),
        ("tally.v1.no.such", {}, b"{}", "has not the headers of an event"),
        ("tally.v1.access.rejected._", _whole("9" * 5_000, "1"), b"{}", "has not the headers of an event"),
        ("tally.v1.access.rejected._", _whole("1", "9" * 5_000), b"{}", "has not the headers of an event"),
    ],
    ids=["no headers", "few headers", "unknown type", "long number", "long version"],
)
async def test_what_is_no_event_halts_the_engine(
    engines: Engines, relays: Relays, subject: str, headers: dict[str, str], data: bytes, reason: str
) -> None:
    """A message that somebody put on the stream is reported by its sequence, and nothing is folded of it."""
    relays.start()
    engine = await engines.start()
    sequence = await engines.refuse("192.0.2.1", times=2) + 1
    await engines.judged(engine)
    await relays.stop_one(0)
    async with relays.connection() as connection:
        await connection.client.publish(subject, data, headers=headers or None)
        await connection.client.flush()
    await until(lambda: engine.state == "halted")

    assert f"the message at sequence {sequence} {reason}" == engine.reason
    assert sequence - 1 == engine.position


async def test_a_forged_event_changes_nothing(engines: Engines, relays: Relays) -> None:
    """A message in the form of an event that the journal lacks is not judged; when it is gone, the engine goes on."""
    relays.start()
    engine = await engines.start()
    last = await engines.refuse("192.0.2.1", times=2)
    await engines.judged(engine)
    await relays.stop_one(0)
    await _forge(relays, last + 1, "192.0.2.1")
    await until(lambda: engine.state == "halted")
    assert f"the journal has no event {last + 1} ('access.rejected'), which the stream holds" == engine.reason
    await until_true(engines.progress, (last, "halted", engine.reason))

    await engines.refuse("192.0.2.9")
    await until(lambda: "its stream, source, time differ" in engine.reason.replace("data, ", ""))
    assert await engines.told() == []
    await relays.api("STREAM.DELETE")
    relays.start()
    await until(lambda: engine.state == "running" and engine.position == last + 1)
    await engines.refuse("192.0.2.1")
    await engines.judged(engine)
    assert await engines.told() == [(DETECTED, "source 192.0.2.1", 3)]


async def test_a_stream_made_anew_is_gone_on_with(engines: Engines, relays: Relays) -> None:
    """A stream that is deleted and filled again, while the engine is in it, costs and adds nothing."""
    relays.start()
    engine = await engines.start()
    await engines.refuse("192.0.2.1", times=2)
    await engines.judged(engine)
    await relays.api("STREAM.DELETE")
    await engines.refuse("192.0.2.1", times=2)
    await engines.judged(engine)
    assert await engines.told() == [(DETECTED, "source 192.0.2.1", 3)]


async def test_a_consumer_that_somebody_removed_is_made_anew(engines: Engines, relays: Relays) -> None:
    """Whoever removes, or narrows, the durable consumer does not keep an event from being judged."""
    relays.start()
    engine = await engines.start()
    name = durable_of(1, await engines.secret())
    await engines.refuse("192.0.2.1")
    await engines.judged(engine)
    async with relays.connection() as connection:
        await connection.request(f"$JS.API.CONSUMER.DELETE.TALLYSTICK.{name}")
    await engines.refuse("192.0.2.1")
    await engines.judged(engine)
    async with relays.connection() as connection:
        config = {"durable_name": name, "name": name, "ack_policy": "none"}
        body = {"stream_name": "TALLYSTICK", "config": config | {"filter_subject": "tally.v1.key.>"}}
        await connection.request(f"$JS.API.CONSUMER.DELETE.TALLYSTICK.{name}")
        await connection.request(f"$JS.API.CONSUMER.CREATE.TALLYSTICK.{name}", body)
    await engines.refuse("192.0.2.1")
    await engines.judged(engine)
    assert await engines.told() == [(DETECTED, "source 192.0.2.1", 3)]


async def test_an_auditor_takes_none_of_its_messages(engines: Engines, relays: Relays, nats: NatsServer) -> None:
    """A push consumer that delivers where its messages would be asked for steals none: its name is not to be known."""
    relays.start()
    engine = await engines.start()
    await until(lambda: engine.state == "running")
    halted = False

    async def watch() -> None:
        nonlocal halted
        while not halted:
            halted = engine.state != "running"
            await asyncio.sleep(0.005)

    watching = asyncio.create_task(watch())
    auditor = await connect(nats.audit_url, "auditor")
    for number in range(4):
        target = "$JS.API.CONSUMER.MSG.NEXT.TALLYSTICK.tallystick-anomalies-1"
        config = {"name": f"evil{number}", "deliver_subject": target, "headers_only": True, "ack_policy": "explicit"}
        body = {"stream_name": "TALLYSTICK", "config": {**config, "deliver_policy": "new"}, "action": "create"}
        answer = await auditor.request(f"$JS.API.CONSUMER.CREATE.TALLYSTICK.evil{number}", body)
        assert b'"error"' not in answer.data
    for _ in range(4):
        await engines.refuse("192.0.2.1", times=3)
        await engines.judged(engine)
    watching.cancel()
    await auditor.close()
    assert not halted
    assert (DETECTED, "source 192.0.2.1", 3) in await engines.told()


async def test_consumers_whose_names_are_known_are_removed(
    engines: Engines, relays: Relays, database: Database, nats: NatsServer
) -> None:
    """What an earlier version made under a name that anybody knows goes when a process takes the first partition."""
    relays.start()
    engine = await engines.start()
    await until(lambda: engine.state == "running")
    await engines.crash()
    old = "tallystick-anomalies-1"
    async with relays.connection() as connection:
        body = {"stream_name": "TALLYSTICK", "config": {"durable_name": old, "name": old, "ack_policy": "all"}}
        await connection.request(f"$JS.API.CONSUMER.CREATE.TALLYSTICK.{old}", body)

    async def idle(ledger: Ledger) -> None:
        await ledger.lost.wait()

    partitions = Partitions(database.service_url, nats.url, 1, idle, look=0.05)
    running = asyncio.create_task(partitions.run())
    await until_true(lambda: _names(relays), [durable_of(1, await engines.secret())])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_poison_halts_and_is_never_skipped(engines: Engines, relays: Relays) -> None:
    """A true event that a rule cannot understand stops the engine before it, and is told; a better rule goes on."""
    relays.start()
    engine = await engines.start()
    await engines.refuse("192.0.2.1", times=2)
    bad = await engines.refuse("192.0.2.2", error="poison")
    await engines.refuse("192.0.2.1")
    await until(lambda: engine.state == "halted")
    assert (
        f"event {bad} (access.rejected) cannot be judged by the rule threes: ValueError: it is poison" == engine.reason
    )
    await asyncio.sleep(0.5)
    assert engine.state == "halted"
    assert await engines.told() == []
    await engines.crash()

    class Better(Threes):
        def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
            assert isinstance(fact.event, AccessRejected)
            return () if fact.event.error == "poison" else super().observe(key, fact)

    await engines.judged(await engines.start(make_rules=lambda: [Better()]))
    assert await engines.told() == [(DETECTED, "source 192.0.2.1", 3)]


async def test_a_mistake_of_the_program_halts_and_is_tried_again(
    engines: Engines, relays: Relays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong between stream and rules is told, ends nothing, and costs no event."""
    relays.start()
    engine = await engines.start()
    await until(lambda: engine.state == "running")

    async def mistaken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(Verifier, "verified", mistaken)
        await engines.refuse("192.0.2.1", times=3)
        await until(lambda: engine.state == "halted")
        assert engine.reason == "it stopped by a mistake of this program (ZeroDivisionError); the log says more"
    await engines.judged(engine)
    assert await engines.told() == [(DETECTED, "source 192.0.2.1", 3)]


async def test_history_teaches_and_finds_nothing(engines: Engines, relays: Relays) -> None:
    """At the first start rules learn from what was an hour ago and earlier, but only what came since is found."""
    await engines.refuse("192.0.2.1", times=5)
    await engines.sql("UPDATE journal.events SET recorded_at = recorded_at - interval '61 minutes'")
    await engines.refuse("192.0.2.2", times=3)
    relays.start()
    engine = await engines.start()
    await until(lambda: engine.state == "running")
    await engines.judged(engine)
    assert await engines.told() == [(DETECTED, "source 192.0.2.2", 3)]
    await engines.refuse("192.0.2.1")
    await engines.judged(engine)
    assert (await engines.told())[1:] == [(DETECTED, "source 192.0.2.1", 6)]


async def test_a_rule_without_memory_learns_and_repeats_nothing(engines: Engines, relays: Relays) -> None:
    """A rule whose memory is of another shape learns anew; what was found before is not found again."""
    relays.start()
    engine = await engines.start()
    await until(lambda: engine.state == "running")
    last = await engines.refuse("192.0.2.1", times=4)
    await engines.judged(engine)
    await until(lambda: engine._memories.kept >= last)
    await engines.crash()

    class Other(Threes):
        def restore(self, state: Any) -> None:
            raise msgspec.ValidationError("of another shape")

    engine = await engines.start(make_rules=lambda: [Other()])
    await engines.refuse("192.0.2.1", times=2)
    await engines.judged(engine)
    assert await engines.told() == [(DETECTED, "source 192.0.2.1", 3), (EXTENDED, "source 192.0.2.1", 6)]


async def test_partitions_find_together_what_one_finds(engines: Engines, relays: Relays) -> None:
    """Each of three partitions judges its own keys; together they miss nothing and find nothing twice."""
    relays.start()
    running = [await engines.start(part, 3) for part in (1, 2, 3)]
    await until(lambda: all(engine.state == "running" for engine in running))
    for number in range(9):
        await engines.refuse(f"192.0.2.{number}", times=3)
    for engine in running:
        await engines.judged(engine)
    assert sorted((DETECTED, f"source 192.0.2.{number}", 3) for number in range(9)) == sorted(await engines.told())


async def test_an_acknowledged_finding_is_over(engines: Engines, relays: Relays, journal: PostgresJournal) -> None:
    """What a rule sees of the same thing after a person acknowledged the finding is a new one, of new evidence."""
    relays.start()
    engine = await engines.start()
    await until(lambda: engine.state == "running")
    await engines.refuse("192.0.2.1", times=3)
    await engines.judged(engine)
    (finding,) = await read_found(journal)
    assert await acknowledge(journal, finding, "it was us")
    assert not await acknowledge(journal, finding, "again")
    await engines.judged(engine)
    await engines.refuse("192.0.2.1", times=2)
    await engines.judged(engine)
    assert len(await read_found(journal)) == 1
    await engines.refuse("192.0.2.1")
    await engines.judged(engine)
    first, second = await read_found(journal)
    assert (first.acknowledged, first.note, first.count) == (True, "it was us", 3)
    assert (second.acknowledged, second.count) == (False, 3)


async def until_true(look: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    """Return once something is as wanted."""

    async def is_so() -> bool:
        return bool(await look() == wanted)

    await until(is_so)


async def _names(relays: Relays) -> list[str]:
    async with relays.connection() as connection:
        answer = await connection.request("$JS.API.CONSUMER.NAMES.TALLYSTICK")
    return list(msgspec.json.decode(answer.data)["consumers"])


async def _floor_is(engines: Engines, relays: Relays, position: int) -> bool:
    name = durable_of(1, await engines.secret())
    async with relays.connection() as connection:
        answer = await connection.request(f"$JS.API.CONSUMER.INFO.TALLYSTICK.{name}")
    return bool(msgspec.json.decode(answer.data)["ack_floor"]["stream_seq"] == position)


async def _forge(relays: Relays, position: int, source: str) -> None:
    """Publish what looks exactly like an event."""
    forged = RecordedEvent(
        position=position,
        stream=new_stream(),
        version=1,
        type="access.rejected",
        client="_",
        data='{"error": "invalid_client", "reason": "bad_secret", "status": 401, "endpoint": "token"}',
        actor="_",
        source=source,
        trace=None,
        recorded_at=dt.datetime.now(dt.UTC),
    )
    subject, lines, data = message_of(forged, "https://auth.example.com")
    headers = dict(line.split(": ", 1) for line in lines.strip().split("\r\n"))
    async with relays.connection() as connection:
        await connection.client.publish(subject, data, headers=headers)
        await connection.client.flush()

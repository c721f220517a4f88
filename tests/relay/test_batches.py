"""How the relay publishes: few events one by one, more of them in a batch with what is committed meanwhile."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

import pytest

from consumers.connection import NatsUnavailable
from schema.envelope import RecordedEvent
from service.journal.answers import StreamRefused
from service.journal.leader import Leader
from service.journal.postgres import PostgresJournal
from service.journal.relay import BATCH, FEW, MANY
from service.journal.stream import Message, More, Stream, message_of
from tests.nats_server import NatsServer
from tests.relay.support import ISSUER, NEVER, Relays, append, until

MESSAGES = [Message("tally.v1.token.issued.a", f"ce-id: {number}\r\n", b"{}") for number in range(1, 10)]
FOREIGN = "tally.v1.token.issued.intruder"
LOSE_SESSION = """
    SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database
    WHERE locktype = 'advisory' AND granted AND datname = current_database()
"""
WAYS = pytest.mark.parametrize(("grants", "at"), [(FEW // 2 + 1, 1), (FEW // 2, 4)], ids=["a batch", "one by one"])
"""So many grants, of two events each; something happens when a batch was begun, or before event `at` goes alone."""


class Watched(Stream):
    """Notes what it sends and stores, and calls `during` once, with a batch begun or before message `at` goes alone.

    `cut` is how much of what it sends next gets through before the connection is lost.
    """

    during: ClassVar[Callable[[], Awaitable[None]] | None]
    at: ClassVar[int]
    cut: ClassVar[float | None]
    sent: ClassVar[list[tuple[Stream, bytes]]]
    stored: ClassVar[list[int]]

    async def publish(self, messages: Sequence[Message], after: int, more: More | None = None) -> int:
        """Publish, and let it happen."""
        if len(messages) == 1 and after + 1 == self.at:
            await self._happen()

        async def happening() -> Sequence[Message]:
            await self._happen()
            assert more is not None
            return await more()

        stored = await super().publish(messages, after, None if more is None else happening)
        self.stored.append(stored)
        return stored

    async def _happen(self) -> None:
        during, Watched.during = Watched.during, None
        if during is not None:
            await during()

    async def _send(self, frames: bytes) -> None:
        part, Watched.cut = Watched.cut, None
        self.sent.append((self, frames))
        await super()._send(frames if part is None else frames[: int(len(frames) * part)])
        if part is not None:
            if part == 1:
                await self._connection.client.flush()
            await self._connection.close()
            raise NatsUnavailable("cut")


@pytest.fixture(autouse=True)
def watched() -> None:
    """Nothing sent, nothing stored, nothing to happen."""
    Watched.during, Watched.at, Watched.cut, Watched.sent, Watched.stored = None, 0, None, [], []


@pytest.mark.parametrize(("grants", "stored"), [(FEW // 2, [1] * FEW), (FEW // 2 + 1, [FEW + 2])])
async def test_few_events_go_one_by_one_and_more_in_a_batch(
    journal: PostgresJournal, relays: Relays, grants: int, stored: list[int]
) -> None:
    """A batch has a price of its own, so it has to be worth it."""
    await append(journal, grants)
    relay = relays.start(stream=Watched)
    await until(lambda: relay.position == 2 * grants)
    assert Watched.stored == stored
    assert (await relays.whole()).listed == []


@pytest.mark.parametrize(("before", "meanwhile", "stored"), [(10, 4, [14]), (BATCH - 2, 6, [BATCH, 1, 1, 1, 1])])
async def test_what_is_committed_while_a_batch_is_begun_goes_with_it(
    journal: PostgresJournal, relays: Relays, before: int, meanwhile: int, stored: list[int]
) -> None:
    """It need not wait for the next batch, as far as there is room in this one."""

    async def during() -> None:
        await append(journal, meanwhile // 2)

    await append(journal, before // 2)
    Watched.during = during
    relay = relays.start(stream=Watched, pace=NEVER)
    await until(lambda: relay.position == before + meanwhile)
    assert Watched.stored == stored
    assert (await relays.whole()).listed == []


async def test_a_batch_that_grows_keeps_to_its_size(
    journal: PostgresJournal, relays: Relays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is committed while it is begun goes with it only as far as the batch has room in bytes."""

    async def during() -> None:
        await append(journal, 2)

    await append(journal, 5)
    ten = [message_of(recorded, ISSUER) for recorded in await journal.read(0, 10)]
    size = sum(len(message.data) + len(message.headers) for message in ten)
    monkeypatch.setattr("service.journal.relay.BATCH_BYTES", size * 12 // 10 + 50)
    Watched.during = during
    relay = relays.start(stream=Watched, pace=NEVER)
    await until(lambda: relay.position == 14)
    assert Watched.stored == [12, 1, 1]


async def test_a_large_batch_waits_for_what_is_committed_next(
    journal: PostgresJournal, relays: Relays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is committed after it has read again goes with it too: it costs the server the same."""
    monkeypatch.setattr("service.journal.relay.GATHER", 3_600.0)
    monkeypatch.setattr("service.journal.relay.BATCH", MANY + 4)
    reads = 0

    class Reading(Leader):
        """Whatever it reads, some more is committed, once, right after the second time."""

        async def read(self, after: int, limit: int) -> list[RecordedEvent]:
            nonlocal reads
            read = await super().read(after, limit)
            reads += 1
            if reads == 2:
                await append(journal, 1)
            return read

    async def during() -> None:
        await append(journal, 1)

    await append(journal, MANY // 2)
    Watched.during = during
    relay = relays.start(leader=Reading, stream=Watched, pace=NEVER)
    await until(lambda: relay.position == MANY + 4)
    assert Watched.stored == [MANY + 4]
    assert (await relays.whole()).listed == []


async def test_a_large_batch_waits_no_longer_than_it_may(journal: PostgresJournal, relays: Relays) -> None:
    """Where nothing more is committed it is published by itself."""
    await append(journal, MANY // 2)
    relay = relays.start(stream=Watched, pace=NEVER)
    await until(lambda: relay.position == MANY)
    await append(journal, 1)
    await until(lambda: relay.position == MANY + 2)
    assert Watched.stored == [MANY, 1, 1]


async def test_what_a_large_batch_has_no_room_for_is_published_next(
    journal: PostgresJournal, relays: Relays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was announced while the batch gathered, and is not announced again."""

    async def during() -> None:
        await append(journal, 2)

    await append(journal, MANY // 2)
    messages = [message_of(recorded, ISSUER) for recorded in await journal.read(0, MANY)]
    size = sum(len(message.data) + len(message.headers) for message in messages)
    monkeypatch.setattr("service.journal.relay.BATCH_BYTES", size * (2 * MANY + 3) // (2 * MANY))
    Watched.during = during
    relay = relays.start(stream=Watched, pace=NEVER)
    await until(lambda: relay.position == MANY + 4)
    assert Watched.stored == [MANY + 1, 1, 1, 1]


async def test_what_is_new_is_read_again_after_its_time(
    journal: PostgresJournal, relays: Relays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a round has many events where they come fast. The first one waits for nothing."""
    monkeypatch.setattr("service.journal.relay.SPACING", 1.0)
    relay = relays.start(stream=Watched, pace=NEVER)
    await until(lambda: relay.state == "running")
    began = time.monotonic()
    await append(journal, 1)
    await until(lambda: relay.position == 2)
    await append(journal, FEW)
    assert relay.position == 2
    await until(lambda: relay.position == 2 * FEW + 2)
    assert time.monotonic() - began >= 1
    assert Watched.stored == [1, 1, 2 * FEW]


@WAYS
async def test_nothing_is_published_behind_a_stranger(
    journal: PostgresJournal, relays: Relays, grants: int, at: int
) -> None:
    """The event whose place a stranger's message took is refused, and with it all that were to follow."""

    async def during() -> None:
        await relays.publish(FOREIGN, b"{}")

    await append(journal, grants)
    Watched.during, Watched.at = during, at
    relay = relays.start(stream=Watched)
    await until(lambda: relay.state == "halted")
    assert f"the stream's message at sequence {at} is not the journal's event" in relay.reason
    assert await relays.sequences() == list(range(1, at + 1))


@WAYS
@pytest.mark.parametrize("part", [0, 0.5, 1])
async def test_a_lost_connection_loses_and_repeats_nothing(
    journal: PostgresJournal, relays: Relays, grants: int, at: int, part: float
) -> None:
    """Whatever got through of what was sent last, the next connection goes on where the stream ends."""
    connections: list[Stream] = []

    async def during() -> None:
        connections.append(Watched.sent[-1][0])
        Watched.cut = part

    await append(journal, grants)
    Watched.during, Watched.at = during, at
    relay = relays.start(stream=Watched)
    await until(lambda: relay.position == 2 * grants)
    assert connections[0]._connection.client.is_closed
    assert (await relays.whole()).listed == []
    assert relay.recreated == 0


@WAYS
async def test_a_lost_leader_sends_no_more(journal: PostgresJournal, relays: Relays, grants: int, at: int) -> None:
    """It does not finish the batch that it has begun, nor send the next event; who leads then sends them once."""
    lost: list[tuple[Stream, bytes]] = []

    async def during() -> None:
        lost.extend(Watched.sent)
        await relays.sql(LOSE_SESSION)
        await until(lambda: first.state == "degraded")

    await append(journal, grants)
    Watched.during, Watched.at = during, at
    first = relays.start(stream=Watched)
    await until(lambda: bool(lost))
    second = relays.start()
    await until(lambda: max(first.position, second.position) == 2 * grants)
    assert [each for each in Watched.sent if each[0] is lost[0][0]] == lost
    assert (await relays.whole()).listed == []


async def test_a_batch_is_refused_before_more_is_asked_for(nats: NatsServer) -> None:
    """Where the stream takes no batches, nobody has to look for what could follow."""
    asked: list[bool] = []

    async def more() -> Sequence[Message]:
        asked.append(True)
        return []

    stream = await Stream.connect(nats.url)
    try:
        made = {"name": "TALLYSTICK", "subjects": ["tally.v1.>"], "storage": "file"}
        await stream._api("STREAM.CREATE.TALLYSTICK", dict[str, object], made)
        with pytest.raises(StreamRefused):
            await stream.publish(MESSAGES, 0, more)
        assert asked == []
    finally:
        await stream.close()


async def test_a_batch_that_is_given_up_leaves_nothing(nats: NatsServer) -> None:
    """What was begun and not finished is not stored, and another batch is."""

    async def fails() -> Sequence[Message]:
        raise ValueError("no more")

    async def none() -> Sequence[Message]:
        return []

    stream = await Stream.connect(nats.url)
    try:
        await stream.create(1, 1)
        with pytest.raises(ValueError, match="no more"):
            await stream.publish(MESSAGES, 0, fails)
        assert await stream.publish(MESSAGES[:4], 0, none) == 4
        assert (await stream.info() or pytest.fail("no stream")).last == 4
    finally:
        await stream.close()

"""The stream's operations against a real server."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.connection import connect
from consumers.stream_reader import StreamReader
from consumers.subscriber import event_of
from schema.envelope import Context, headers_of, subject_of
from schema.streams import new_stream
from service.journal.answers import StreamRefused, WrongSequence
from service.journal.leader import Leader
from service.journal.port import Append
from service.journal.postgres import PostgresJournal
from service.journal.relay import BATCH, BATCH_BYTES, batches
from service.journal.relay_plan import StreamState
from service.journal.stream import Message, Stream, holds, message_of
from tests.nats_server import NatsServer
from tests.relay.support import ISSUED, ISSUER, REVOKED, append
from tests.servers import Database

MESSAGES = [Message("tally.v1.token.issued.a", f"ce-id: {number}\r\n", b"{}") for number in range(1, 400)]


async def test_what_is_stored_is_what_was_meant(journal: PostgresJournal, nats: NatsServer, database: Database) -> None:
    """Subject, headers and body arrive as `headers_of` and the journal have them, in batches and alone."""
    await append(journal, 2)
    await journal.append(Append(new_stream(), 0, (ISSUED, REVOKED), Context("cli:jürgen", "::1", "00-ab-cd-01")))
    recorded = await journal.read(0, 10)
    stream = await Stream.connect(nats.url)
    try:
        await stream.create(1, 1)
        await stream.publish([message_of(each, ISSUER) for each in recorded[:5]], 0)
        await stream.publish([message_of(recorded[5], ISSUER)], 5)
        stored = [await stream.get(each.position) for each in recorded]
        read = [each async for each in StreamReader(nats.url, None, follow=False).messages()]
    finally:
        await stream.close()
    for event, message, kept in zip(recorded, read, stored, strict=True):
        sent = {name: value for name, value in message.headers.items() if not name.startswith("Nats-")}
        assert sent == headers_of(event, ISSUER)
        assert message.subject == subject_of(event.type, event.client)
        assert message.data == event.data.encode()
        assert event_of(message) == event
        assert kept is not None
        assert holds(kept, event)


async def test_a_batch_is_stored_once(nats: NatsServer) -> None:
    """A second time it is refused, alone or with others, and leaves nothing."""
    stream = await Stream.connect(nats.url)
    try:
        await stream.create(5, 1)
        await stream.publish(MESSAGES[:200], 4)
        for again in (MESSAGES[:200], MESSAGES[:1]):
            with pytest.raises(WrongSequence):
                await stream.publish(again, 4)
        with pytest.raises(WrongSequence):
            await stream.publish(MESSAGES[:3], 300)
        assert await stream.info() == StreamState(5, 204, 200, 0)
    finally:
        await stream.close()


@pytest.mark.parametrize(("before", "after"), [(-1, 256), (20, 20), (1_000, 1_000)])
async def test_a_stream_has_room_for_so_many_consumers(nats: NatsServer, before: int, after: int) -> None:
    """A new stream has a limit; one of before gets it without a loss, unless the operator has set one."""
    stream = await Stream.connect(nats.url)
    try:
        await stream.create(1, 1)
        assert await _room(stream) == 256
        await stream.publish(MESSAGES[:3], 0)
        await stream._update({**(await _config(stream)), "max_consumers": before})
        await stream.settle_config()
        assert await _room(stream) == after
        assert await stream.info() == StreamState(1, 3, 3, 0)
    finally:
        await stream.close()


async def test_those_who_only_read_make_no_more_consumers_than_that(nats: NatsServer) -> None:
    """One consumer too many is refused, whoever wants it."""
    stream, auditor = await Stream.connect(nats.url), await connect(nats.audit_url, "auditor")
    try:
        await stream.create(1, 1)
        await stream._update({**(await _config(stream)), "max_consumers": 2})
        answers = []
        for name in ("a", "b", "c"):
            body = {"stream_name": "TALLYSTICK", "config": {"name": name, "ack_policy": "none"}, "action": "create"}
            answers.append((await auditor.request(f"$JS.API.CONSUMER.CREATE.TALLYSTICK.{name}", body)).data)
        assert [b"maximum consumers limit reached" in answer for answer in answers] == [False, False, True]
    finally:
        await auditor.close()
        await stream.close()


async def _config(stream: Stream) -> dict[str, Any]:
    info = await stream._info()
    assert info is not None
    return info.config


async def _room(stream: Stream) -> int:
    return int((await _config(stream))["max_consumers"])


async def test_the_settings_that_order_rests_on_are_put_back(nats: NatsServer) -> None:
    """A stream made by hand, with limits and without atomic batches, gets the relay's settings."""
    stream = await Stream.connect(nats.url)
    try:
        await stream.create(1, 1)
        await stream.delete()
        made = {"name": "TALLYSTICK", "subjects": ["tally.v1.>"], "max_msgs": 100, "storage": "file"}
        await stream._api("STREAM.CREATE.TALLYSTICK", dict[str, object], made)
        with pytest.raises(StreamRefused):
            await stream.publish(MESSAGES[:2], 0)
        await stream.settle_config()
        await stream.publish(MESSAGES[:2], 0)
        assert await stream.info() == StreamState(1, 2, 2, 0)
    finally:
        await stream.close()


async def test_line_ends_in_a_header_do_not_make_another_header(journal: PostgresJournal, database: Database) -> None:
    """A value that callers had a hand in stays one value."""
    await append(journal, 1)
    leader = await Leader.elect(database.service_url)
    recorded = (await leader.read(0, 1))[0]
    leader.close()
    forged = type(recorded)(
        **{name: getattr(recorded, name) for name in recorded.__struct_fields__} | {"source": "x\r\nNats-Rollup: all"}
    )
    assert "Nats-Rollup" not in [line.partition(":")[0] for line in message_of(forged, ISSUER).headers.split("\r\n")]


def test_batches_are_bounded_by_number_and_size() -> None:
    """Every message is in one batch, in order; a batch has at most 200 and a bounded size, or a single message."""
    sizes = [10, BATCH_BYTES * 2, 10, *[BATCH_BYTES // 3] * 7, *[1] * 450]
    messages = [Message(str(place), "", b"x" * size) for place, size in enumerate(sizes)]
    cut = list(batches(messages))
    assert [message for batch in cut for message in batch] == messages
    assert all(len(batch) <= BATCH for batch in cut)
    assert all(len(batch) == 1 or sum(len(each.data) for each in batch) <= BATCH_BYTES for batch in cut)

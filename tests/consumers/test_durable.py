"""The durable consumer of the anomaly engine: how it asks, and what it leaves at the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from consumers.durable import Delivered, Durable, open_durable
from service.journal.stream import Message, Stream
from tests.nats_server import NatsServer
from tests.relay.support import until

NAME = "watch"


def messages(first: int, last: int) -> list[Message]:
    """Messages with the numbers from one to another."""
    return [Message("tally.v1.token.issued.a", f"ce-id: {each}\r\n", b"{}") for each in range(first, last + 1)]


@pytest.fixture
async def stream(nats: NatsServer) -> AsyncIterator[Stream]:
    """The stream, without messages."""
    made = await Stream.connect(nats.url)
    await made.create(1, 1)
    yield made
    await made.close()


async def consumer(stream: Stream) -> dict[str, Any]:
    """What the server says of the consumer."""
    answer = await stream._connection.request(f"$JS.API.CONSUMER.INFO.TALLYSTICK.{NAME}")
    info: dict[str, Any] = msgspec.json.decode(answer.data)
    return info


async def some(durable: Durable) -> list[Delivered]:
    """What comes next, however long it takes."""
    while not (delivered := await durable.next(0.5)):
        pass
    return delivered


async def test_a_question_is_answered_by_all_that_there_is(nats: NatsServer, stream: Stream) -> None:
    """It ends there, so that what is published later does not come one by one."""
    await stream.publish(messages(1, 300), 0)
    async with open_durable(nats.url, NAME, 0, client="test") as durable:
        assert [each.sequence for each in await some(durable)] == list(range(1, 301))
        assert (await consumer(stream))["num_waiting"] == 0
        await stream.publish(messages(301, 400), 300)
        assert (await consumer(stream))["delivered"]["stream_seq"] == 300
        assert [each.sequence for each in await some(durable)] == list(range(301, 401))


async def test_where_there_is_nothing_a_question_waits_for_the_next_message(nats: NatsServer, stream: Stream) -> None:
    """A message on a quiet stream is delivered as soon as it is there."""

    async def waits() -> bool:
        return bool((await consumer(stream))["num_waiting"] == 1)

    async with open_durable(nats.url, NAME, 0, client="test") as durable:
        coming = asyncio.create_task(durable.next(3_600.0))
        await until(waits)
        await stream.publish(messages(1, 1), 0)
        assert [each.sequence for each in await coming] == [1]


async def test_the_server_writes_nothing_of_it_to_its_disk(nats: NatsServer, stream: Stream) -> None:
    """How far its user is, its user knows; a server that has forgotten the consumer is told where it begins."""
    await stream.publish(messages(1, 3), 0)
    async with open_durable(nats.url, NAME, 0, client="test") as durable:
        delivered = await some(durable)
        await durable.acknowledge(delivered[1])
        assert (await consumer(stream))["config"]["mem_storage"] is True
    async with open_durable(nats.url, NAME, 2, client="test") as durable:
        assert [each.sequence for each in await some(durable)] == [3]


async def test_one_that_was_written_to_disk_is_made_anew(nats: NatsServer, stream: Stream) -> None:
    """Those of versions before wrote their state with every message."""
    await stream.publish(messages(1, 3), 0)
    config = {"durable_name": NAME, "name": NAME, "ack_policy": "all", "filter_subject": "tally.v1.>"}
    body = {"stream_name": "TALLYSTICK", "config": config}
    await stream._connection.request(f"$JS.API.CONSUMER.CREATE.TALLYSTICK.{NAME}", body)
    assert "mem_storage" not in (await consumer(stream))["config"]
    async with open_durable(nats.url, NAME, 1, client="test") as durable:
        assert (await consumer(stream))["config"]["mem_storage"] is True
        assert [each.sequence for each in await some(durable)] == [2, 3]

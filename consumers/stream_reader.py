"""Reads the stream's messages in order, over as many connections as it takes.

It reads by a consumer of its own that the server forgets soon after it has gone; how far it is, the reader knows.
Whatever happens to the connection, the consumer or the server, it goes on after the last message that it yielded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

import msgspec
from nats.aio.msg import Msg

from consumers.connection import ApiError, Connection, NatsUnavailable, connected
from schema.envelope import STREAM_NAME, SUBJECTS

log = logging.getLogger(__name__)

ALL = (SUBJECTS,)

_BATCH = 500
_SECOND = 1_000_000_000
_NOT_FOUND = 404
_DOMAIN_TOKENS = 11


class StreamMessage(NamedTuple):
    """A message and its sequence; `pending` messages were still to come when the server sent it."""

    sequence: int
    pending: int
    subject: str
    headers: Mapping[str, str]
    data: bytes


class StreamEnds(msgspec.Struct, frozen=True):
    """The sequences that the stream holds: `first_seq` to `last_seq`, of which `num_deleted` are missing."""

    first_seq: int
    last_seq: int
    messages: int
    num_deleted: int = 0


class _Info(msgspec.Struct):
    state: StreamEnds | None = None
    error: ApiError | None = None


class _Consumer(msgspec.Struct):
    name: str = ""
    num_pending: int = 0
    error: ApiError | None = None


async def stream_ends(url: str, timeout: float = 5.0) -> StreamEnds | None:
    """Where the stream begins and ends; None if there is none. Raises NatsUnavailable."""
    async with connected(url, "tallystick-reader", timeout) as connection:
        answer = await connection.request(f"$JS.API.STREAM.INFO.{STREAM_NAME}")
        info = msgspec.json.decode(answer.data, type=_Info)
        if info.error is not None and info.error.code != _NOT_FOUND:
            raise NatsUnavailable(f"JetStream: {info.error.description}")
        return info.state


class StreamReader:
    """The messages after a sequence (None: from the first that the stream holds) on some subjects.

    It ends after the sequence `until`; without `follow`, also where the stream ends. It waits for NATS as long as it
    takes. `timeout` and `retry` are in seconds.
    """

    def __init__(
        self,
        url: str,
        after: int | None,
        *,
        subjects: Sequence[str] = ALL,
        until: int | None = None,
        follow: bool = True,
        name: str = "tallystick-reader",
        timeout: float = 5.0,
        retry: float = 0.5,
    ) -> None:
        self._url = url
        self._subjects = list(subjects)
        self._until = until
        self._follow = follow
        self._name = name
        self._timeout = timeout
        self._retry = retry
        self._after = after

    async def messages(self) -> AsyncGenerator[StreamMessage, None]:
        """The messages, in order. Close it (`contextlib.aclosing`) to disconnect."""
        while not self._past_end(self._after or 0):
            try:
                async with (
                    connected(self._url, self._name, self._timeout) as connection,
                    aclosing(self._pull(connection)) as pulled,
                ):
                    async for message in pulled:
                        self._after = message.sequence
                        yield message
            except NatsUnavailable as error:
                log.warning("waiting for the stream: %s", error)
                await asyncio.sleep(self._retry)
            else:
                return

    def _past_end(self, sequence: int) -> bool:
        return self._until is not None and sequence >= self._until

    async def _pull(self, connection: Connection) -> AsyncGenerator[StreamMessage, None]:
        """Messages of one connection, until the end. Raises NatsUnavailable when another one is needed."""
        inbox = connection.client.new_inbox()
        queue: asyncio.Queue[Msg] = asyncio.Queue()
        await connection.while_connected(connection.client.subscribe(inbox, cb=queue.put))
        consumer = await self._make_consumer(connection)
        if consumer.num_pending == 0 and not self._follow:
            return
        while True:
            await self._ask_for_more(connection, consumer, inbox)
            wanted = _BATCH
            while wanted:
                arrived = queue.get_nowait() if not queue.empty() else await connection.while_connected(queue.get())
                status = (arrived.headers or {}).get("Status")
                if status is None:
                    wanted -= 1
                    message = _message(arrived)
                    if self._until is None or message.sequence <= self._until:
                        yield message
                    if self._past_end(message.sequence) or (message.pending == 0 and not self._follow):
                        return
                elif _has_expired(status, arrived):
                    break

    async def _make_consumer(self, connection: Connection) -> _Consumer:
        name = connection.client.new_inbox().rpartition(".")[2]
        config: dict[str, Any] = {
            "name": name,
            "deliver_policy": "all",
            "ack_policy": "none",
            "replay_policy": "instant",
            "inactive_threshold": 60 * _SECOND,
            "mem_storage": True,
            "num_replicas": 1,
            "filter_subjects": self._subjects,
        }
        if self._after is not None:
            config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": self._after + 1}
        body = {"stream_name": STREAM_NAME, "config": config, "action": "create"}
        answer = await connection.request(f"$JS.API.CONSUMER.CREATE.{STREAM_NAME}.{name}", body)
        consumer = msgspec.json.decode(answer.data, type=_Consumer)
        if consumer.error is not None:
            raise NatsUnavailable(f"JetStream: {consumer.error.description}")
        return consumer

    async def _ask_for_more(self, connection: Connection, consumer: _Consumer, inbox: str) -> None:
        """The server's heartbeats come more often than the connection's timeout, so that silence is a failure."""
        heartbeat = self._timeout / 2
        body = {"batch": _BATCH, "expires": int(4 * heartbeat * _SECOND), "idle_heartbeat": int(heartbeat * _SECOND)}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM_NAME}.{consumer.name}"
        await connection.while_connected(connection.client.publish(subject, msgspec.json.encode(body), reply=inbox))


def _message(arrived: Msg) -> StreamMessage:
    """Sequence and what is pending are tokens of the reply `$JS.ACK.…`; domain and account may come before them."""
    tokens = arrived.reply.split(".")
    shift = 2 if len(tokens) >= _DOMAIN_TOKENS else 0
    return StreamMessage(
        int(tokens[5 + shift]), int(tokens[8 + shift]), arrived.subject, arrived.headers or {}, arrived.data
    )


def _has_expired(status: str, arrived: Msg) -> bool:
    """Whether a pull ran out (the next one follows) or is alive. Raises NatsUnavailable when the consumer ended."""
    if status not in {"100", "404", "408"}:
        headers: Mapping[Any, str] = arrived.headers or {}
        raise NatsUnavailable(f"the consumer ended: {status} {headers.get('Description', '')}".strip())
    return status != "100"

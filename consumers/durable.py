"""A durable pull consumer of the stream that begins where its user says, fast: messages are handed on as they came."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec

from consumers.connection import ApiError, Connection, NatsUnavailable, connected
from consumers.raw_client import RawClient
from schema.envelope import STREAM_NAME, SUBJECTS

BATCH = 2_000
_LINGER = 0.05
_REST = 0.2
"""Seconds from one question to the next, where the first got all that there was."""

_SECOND = 1_000_000_000
_ACK_WAIT = 3_600 * _SECOND
_DOMAIN_TOKENS = 11
_NO_CONSUMER = 10014
_STATUS = b"NATS/1.0 "
_OVER = (b"404", b"408")
_ALIVE = b"100"
_CHANGED = "somebody changed the consumer, it is made anew"


class Delivered(NamedTuple):
    """A message as it came: `headers` are its lines, `reply` is where it is acknowledged."""

    sequence: int
    subject: bytes
    headers: bytes
    data: bytes
    reply: bytes


class _Place(msgspec.Struct, frozen=True):
    stream_seq: int = 0


class _Info(msgspec.Struct):
    config: dict[str, Any] = {}
    delivered: _Place = _Place()
    ack_floor: _Place = _Place()
    error: ApiError | None = None


class Durable:
    """The durable consumer `name` over one connection. Every method raises NatsUnavailable when a new one is needed.

    Acknowledging a message acknowledges all before it, so that its floor says how far its user is.
    """

    def __init__(self, connection: Connection, client: RawClient, name: str, timeout: float) -> None:
        self._connection = connection
        self._client = client
        self._name = name
        self._heartbeat = timeout / 2
        self._inbox = client.new_inbox()
        self._queue: deque[Delivered] = deque()
        self._arrived = asyncio.Event()
        self._wanted = 0
        self._asked = self._rested = self._heard = time.monotonic()
        self._ended: str | None = None

    async def settle(self, after: int) -> None:
        """Make it deliver what comes after a sequence; it stays as it is where it does so already."""
        info = await self._info()
        config = _config(self._name, after)
        if info is not None and _begins_after(info, config, after):
            return
        if info is not None:
            await self._api("DELETE")
        body = {"stream_name": STREAM_NAME, "config": config, "action": "create"}
        _raise_refusal(await self._api("CREATE", body))

    async def listen(self) -> None:
        """Begin to receive."""
        subscription = await self._connection.while_connected(self._client.subscribe(self._inbox))
        self._client.take = self._take
        self._client.raw_sid = subscription._id  # noqa: SLF001 what the bytes of a message name

    async def next(self, wait: float) -> list[Delivered]:
        """What has come, in order, at most BATCH; after `wait` seconds nothing. A little is waited for to be more."""
        await self._ask_for_more()
        if not self._queue:
            self._arrived.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._arrived.wait()
            except TimeoutError:
                self._require_life()
        await self._gather()
        self._require_more()
        return [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]

    async def _gather(self) -> None:
        """Wait a moment for more: each batch costs its user the same, whatever its size."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while self._queue and self._wanted > 0 and self._ended is None and len(self._queue) < BATCH:
                    self._arrived.clear()
                    await self._arrived.wait()

    async def acknowledge(self, delivered: Delivered) -> None:
        """Say that what came up to a message need not come again."""
        await self._connection.while_connected(self._client.publish(delivered.reply.decode(), b"+ACK"))

    async def check(self) -> None:
        """See whether it is still there and as it was made."""
        info = await self._info()
        if info is None or not _is_ours(info, _config(self._name, 0)):
            raise NatsUnavailable(_CHANGED)

    async def _ask_for_more(self) -> None:
        """What there is ends a question, and the next one comes a little later, so that many come together.

        The server's heartbeats come more often than the connection's timeout, so that silence is a failure.
        """
        if self._wanted > 0 or len(self._queue) >= BATCH:
            return
        await asyncio.sleep(max(0.0, self._rested - time.monotonic()))
        heartbeat = int(self._heartbeat * _SECOND)
        question = {"batch": BATCH, "expires": 4 * heartbeat, "idle_heartbeat": heartbeat, "no_wait": True}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM_NAME}.{self._name}"
        self._wanted, self._asked = BATCH, time.monotonic()
        self._heard = self._asked
        body = msgspec.json.encode(question)
        await self._connection.while_connected(self._client.publish(subject, body, reply=self._inbox))

    def _take(self, subject: bytes, reply: bytes, headers: bytes, data: bytes) -> None:
        self._heard = time.monotonic()
        if headers.startswith(_STATUS):
            self._take_status(headers[len(_STATUS) :].strip())
            return
        self._wanted -= 1
        try:
            self._queue.append(Delivered(_sequence_of(reply), subject, headers, data, reply))
        except (ValueError, IndexError):
            self._ended = "a message came that the consumer did not send"
        self._arrived.set()

    def _take_status(self, status: bytes) -> None:
        """A pull ran out (the next one follows), is alive, or the consumer has ended."""
        if status.startswith(_OVER):
            self._wanted, self._rested = 0, self._asked + _REST
        elif not status.startswith(_ALIVE):
            line, _, _ = status.partition(b"\r")
            self._ended = f"the consumer ended: {line.decode(errors='replace')}"
        if not status.startswith(_ALIVE):
            self._arrived.set()

    def _require_more(self) -> None:
        """What came before the end is handed on first."""
        if self._ended is not None and not self._queue:
            raise NatsUnavailable(self._ended)

    def _require_life(self) -> None:
        if self._connection.lost.is_set():
            raise NatsUnavailable("the connection to NATS was lost")
        if time.monotonic() - self._heard > 2 * self._heartbeat:
            raise NatsUnavailable(f"NATS was silent for {2 * self._heartbeat:g} s")

    async def _info(self) -> _Info | None:
        info = await self._api("INFO")
        if info.error is not None and info.error.err_code == _NO_CONSUMER:
            return None
        _raise_refusal(info)
        return info

    async def _api(self, verb: str, body: object = None) -> _Info:
        answer = await self._connection.request(f"$JS.API.CONSUMER.{verb}.{STREAM_NAME}.{self._name}", body)
        return msgspec.json.decode(answer.data, type=_Info)


@asynccontextmanager
async def open_durable(url: str, name: str, after: int, *, client: str, timeout: float = 5.0) -> AsyncIterator[Durable]:
    """The consumer `name`, delivering what comes after a sequence, for the body's duration.

    The connection is called `client`: the name may be secret, and is in no error. Raises NatsUnavailable.
    """
    raw = RawClient()
    async with connected(url, client, timeout, raw) as connection:
        durable = Durable(connection, raw, name, timeout)
        await durable.settle(after)
        await durable.listen()
        yield durable


async def remove_durables(url: str, names: list[str], *, timeout: float = 5.0) -> None:
    """Remove consumers that nobody uses any more, those of them that there are. Raises NatsUnavailable."""
    async with connected(url, "tallystick-consumers", timeout) as connection:
        for name in names:
            await connection.request(f"$JS.API.CONSUMER.DELETE.{STREAM_NAME}.{name}")


def _config(name: str, after: int) -> dict[str, Any]:
    return {
        "durable_name": name,
        "name": name,
        "filter_subject": SUBJECTS,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": after + 1,
        "ack_policy": "all",
        "ack_wait": _ACK_WAIT,
        "max_deliver": -1,
        "max_ack_pending": -1,
        "replay_policy": "instant",
        "mem_storage": True,
    }


def _is_ours(info: _Info, config: dict[str, Any]) -> bool:
    same = all(info.config.get(name) == value for name, value in config.items() if name != "opt_start_seq")
    return same and "pause_until" not in info.config and "deliver_subject" not in info.config


def _begins_after(info: _Info, config: dict[str, Any], after: int) -> bool:
    return _is_ours(info, config) and info.delivered.stream_seq == info.ack_floor.stream_seq == after


def _sequence_of(reply: bytes) -> int:
    """A token of the reply `$JS.ACK.…`; domain and account may come before it."""
    tokens = reply.split(b".")
    return int(tokens[7 if len(tokens) >= _DOMAIN_TOKENS else 5])


def _raise_refusal(info: _Info) -> None:
    if info.error is not None:
        raise NatsUnavailable(f"JetStream: {info.error.description or info.error.code}")

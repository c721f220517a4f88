"""Follows the audit stream over NATS, so that a revoked token is refused at once.

It reads by a consumer of its own, which the server forgets soon after the guard has gone: first what was taken away
within the window, then what comes. While the stream is not heard, `current` is false, and the guard falls back on what
it was told to.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from datetime import UTC, datetime
from typing import Any

from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from tallystick_guard.revocations import TYPES, Revocations

log = logging.getLogger(__name__)

_STREAM = "TALLYSTICK"
_INBOX = "_INBOX_audit"
_HEARTBEAT = 1.0
_PATIENCE = 3.0
_RETRY = 0.5
_TIMEOUT = 5.0
_SECOND = 1_000_000_000


class Live:
    """Keeps `revocations` as new as the stream. `url` is that of a NATS user who may read the events."""

    def __init__(self, url: str, revocations: Revocations) -> None:
        self._url = url
        self._revocations = revocations
        self._complete = asyncio.Event()
        self._unreadable: int | None = None
        self._heard = float("-inf")
        self._sequence: int | None = None
        self._following: asyncio.Task[None] | None = None

    @property
    def current(self) -> bool:
        """Whether every event up to some seconds ago is folded: the stream's heartbeats come each second."""
        return time.monotonic() - self._heard < _PATIENCE

    def start(self) -> None:
        """Begin to follow, until `close`."""
        self._following = asyncio.create_task(self._follow(), name="tallystick-guard-live")

    async def complete(self, timeout: float) -> None:
        """Return once what was taken away within the window is known, or after `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._complete.wait()

    async def close(self) -> None:
        """Stop following. nats-py can lose a cancellation (`wait_for` of Python 3.11 does), so it is told again."""
        following = self._following
        while following is not None and not following.done():
            following.cancel()
            await asyncio.wait((following,), timeout=1.0)

    async def _follow(self) -> None:
        while True:
            client = Client()
            try:
                await self._connect(client)
                await self._read(client)
            except Exception as error:  # noqa: BLE001 whatever a server sends, following goes on
                log.warning("live revocation waits for NATS: %s", str(error) or type(error).__name__)
            finally:
                with contextlib.suppress(Exception):
                    await client.close()
            await asyncio.sleep(_RETRY)

    async def _connect(self, client: Client) -> None:
        await client.connect(
            self._url.split(","),
            name="tallystick-guard",
            inbox_prefix=_INBOX,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            connect_timeout=2,
            error_cb=_quiet,
        )

    async def _read(self, client: Client) -> None:
        """Fold what comes until nothing comes any more. Raises what nats-py raises, and TimeoutError.

        The stream counts as heard while nothing of it is still to come.
        """
        inbox = client.new_inbox()
        queue: asyncio.Queue[Msg] = asyncio.Queue()
        await client.subscribe(inbox, cb=queue.put)
        pending = await self._make_consumer(client, inbox)
        delivered = 0
        while True:
            if pending == 0:
                self._complete.set()
                self._heard = time.monotonic()
            async with asyncio.timeout(_PATIENCE):
                message = await queue.get()
            headers: dict[str, str] = dict(message.headers or {})
            if "Status" in headers:
                if int(headers.get("Nats-Last-Consumer", delivered)) != delivered:
                    raise errors.Error("a message was lost on its way")
                continue
            metadata = message.metadata
            if metadata.sequence.consumer != delivered + 1:
                raise errors.Error("a message was lost on its way")
            self._fold(metadata.sequence.stream, message.subject, headers, message.data)
            self._sequence = metadata.sequence.stream
            delivered, pending = delivered + 1, metadata.num_pending

    async def _make_consumer(self, client: Client, inbox: str) -> int:
        """Have the server send what was taken away to `inbox`; returns how many messages are to come."""
        name = client.new_inbox().rpartition(".")[2]
        config: dict[str, Any] = {
            "name": name,
            "deliver_subject": inbox,
            "ack_policy": "none",
            "replay_policy": "instant",
            "idle_heartbeat": int(_HEARTBEAT * _SECOND),
            "inactive_threshold": 30 * _SECOND,
            "mem_storage": True,
            "num_replicas": 1,
            "filter_subjects": [f"tally.v1.{kind}.*" for kind in TYPES],
        }
        if self._sequence is None:
            since = datetime.fromtimestamp(time.time() - self._revocations.kept, UTC)
            config |= {"deliver_policy": "by_start_time", "opt_start_time": since.isoformat()}
        else:
            config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": self._sequence + 1}
        body = {"stream_name": _STREAM, "config": config, "action": "create"}
        subject = f"$JS.API.CONSUMER.CREATE.{_STREAM}.{name}"
        answer = json.loads((await client.request(subject, json.dumps(body).encode(), timeout=_TIMEOUT)).data)
        if "error" in answer:
            raise errors.Error(f"JetStream: {answer['error'].get('description', '')}")
        return int(answer.get("num_pending", 0))

    def _fold(self, sequence: int, subject: str, headers: dict[str, str], data: bytes) -> None:
        """Fold an event. One that cannot be read is read again until it is mended, and nothing after it: a revocation
        that is skipped is a stolen token that lives. Raises nats.errors.Error.
        """
        try:
            if headers["ce-id"] != str(sequence):
                raise ValueError(f"it says that it is event {headers['ce-id']}")
            kind = ".".join(subject.split(".")[2:4])
            at = datetime.fromisoformat(headers["ce-time"]).timestamp()
            self._revocations.apply(kind, headers["ce-subject"], json.loads(data), at)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            if self._unreadable != sequence:
                log.critical("live revocation halts: the message at sequence %d is no event: %r", sequence, error)
            self._unreadable = sequence
            raise errors.Error(f"the message at sequence {sequence} is no event") from error


async def _quiet(_: Exception) -> None:
    """What ends a connection is reported by who uses it."""

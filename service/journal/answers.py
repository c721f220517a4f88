"""What JetStream answers to what is published.

StreamError
├── StreamRefused       JetStream said no, and why
│   └── WrongSequence   the stream does not end where the publisher believed
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import msgspec
from nats.aio.msg import Msg

from consumers.connection import ApiError, Connection

_WRONG_LAST_SEQUENCE = 10071


class StreamError(Exception):
    """Base of what JetStream can answer instead of an acknowledgement."""


class StreamRefused(StreamError):
    """JetStream refused the request. The message is its own."""


class WrongSequence(StreamRefused):
    """The stream does not end at the sequence that the messages were to follow."""


class _Ack(msgspec.Struct):
    seq: int = 0
    error: ApiError | None = None


class Answers:
    """The answers to `subject`, in order."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()

    def add(self, answer: bytes) -> None:
        """Note one that came."""
        self._queue.put_nowait(answer)

    async def begun(self) -> None:
        """Return once a batch's first message was answered: by nothing, or an error. Raises StreamRefused."""
        if answer := await self._queue.get():
            raise_refusal(msgspec.json.decode(answer, type=_Ack).error)

    async def stored(self, expected: int) -> None:
        """Return once all is stored up to this sequence. Raises StreamRefused, or WrongSequence for another one."""
        answer = await self._queue.get() or await self._queue.get()  # a batch's first message is answered by nothing
        ack = msgspec.json.decode(answer, type=_Ack)
        raise_refusal(ack.error)
        if ack.seq != expected:
            raise WrongSequence(f"stored up to sequence {ack.seq} instead of {expected}")


class Inbox:
    """The subjects of one connection to which is answered."""

    def __init__(self, connection: Connection) -> None:
        self._prefix = connection.client.new_inbox()
        self._numbers = count(1)
        self._waiting: dict[str, Answers] = {}

    async def listen(self, connection: Connection) -> None:
        """Take answers from now on. Raises NatsUnavailable."""
        await connection.while_connected(connection.client.subscribe(f"{self._prefix}.*", cb=self._arrived))

    @contextmanager
    def answers(self) -> Iterator[Answers]:
        """The answers to one more subject; what comes after the body is dropped."""
        number = f"{next(self._numbers)}"
        answers = self._waiting[number] = Answers(f"{self._prefix}.{number}")
        try:
            yield answers
        finally:
            del self._waiting[number]

    async def _arrived(self, message: Msg) -> None:
        answers = self._waiting.get(message.subject.rpartition(".")[2])
        if answers is not None:
            answers.add(message.data)


def raise_refusal(error: ApiError | None) -> None:
    """Raise StreamRefused for an error, or WrongSequence if it is that one."""
    if error is None:
        return
    kind = WrongSequence if error.err_code == _WRONG_LAST_SEQUENCE else StreamRefused
    raise kind(f"JetStream: {error.description or error.code}")

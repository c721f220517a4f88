"""The JetStream stream that holds event N at sequence N: made, inspected and appended to by the relay.

Where JetStream says no, a StreamError is raised (`answers.py`); where nothing is known, NatsUnavailable: look again.

A batch is atomic (NATS 2.12, ADR-50): all of its messages are stored, or none. Its first message names the sequence
that the stream must end at, and so does a message that is stored alone: what was stored although its acknowledgement
got lost is refused the second time.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from consumers.connection import ApiError, Connection, connect
from schema.envelope import STREAM_NAME, SUBJECTS, RecordedEvent, headers_of, subject_of
from service.journal.answers import Inbox, StreamRefused, raise_refusal
from service.journal.frames import opening, rest, single
from service.journal.relay_plan import StreamState

log = logging.getLogger(__name__)

OLDEST_SERVER = (2, 12)

_STREAM_NOT_FOUND = 10059
_NO_MESSAGE = 10037

_ROOM = 256
"""Consumers that a stream may have: those who only read make as many as they like, and each costs the server memory."""

_LINE_ENDS = str.maketrans("\r\n", "  ")


class Stored(NamedTuple):
    """A message as it is stored."""

    subject: str
    headers: Mapping[str, str]
    data: bytes


class Message(NamedTuple):
    """A message to publish; `headers` are encoded lines without the first and the last."""

    subject: str
    headers: str
    data: bytes


More = Callable[[], Awaitable[Sequence[Message]]]


class _State(msgspec.Struct):
    first_seq: int
    last_seq: int
    messages: int
    num_deleted: int = 0


class _Info(msgspec.Struct):
    state: _State | None = None
    config: dict[str, Any] = {}
    error: ApiError | None = None


class _RawMessage(msgspec.Struct):
    subject: str
    hdrs: str = ""
    data: str = ""


class _Got(msgspec.Struct):
    message: _RawMessage | None = None
    error: ApiError | None = None


class _Done(msgspec.Struct):
    error: ApiError | None = None


class Stream:
    """The stream over one connection. Every method raises NatsUnavailable, or StreamRefused where JetStream says no."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._inbox = Inbox(connection)

    @classmethod
    async def connect(cls, url: str, timeout: float = 5.0) -> Stream:
        """Connect; `timeout` in seconds bounds every request. Raises StreamRefused for a server that is too old."""
        connection = await connect(url, "tallystick-relay", timeout)
        stream = cls(connection)
        try:
            _require_version(connection)
            await stream._inbox.listen(connection)
        except BaseException:
            await connection.close()
            raise
        return stream

    async def close(self) -> None:
        """Disconnect."""
        await self._connection.close()

    async def info(self) -> StreamState | None:
        """Where the stream begins and ends; None if there is none."""
        info = await self._info()
        if info is None or info.state is None:
            return None
        state = info.state
        return StreamState(state.first_seq, state.last_seq, state.messages, state.num_deleted)

    async def create(self, first: int, replicas: int) -> None:
        """Make the stream; its first message will have the sequence `first`."""
        config = {**wanted_config(), "first_seq": first, "num_replicas": replicas, "max_consumers": _ROOM}
        raise_refusal((await self._api(f"STREAM.CREATE.{STREAM_NAME}", _Info, config)).error)

    async def settle_config(self) -> None:
        """Give an existing stream the settings that sequence = position rests on. Its replicas are the operator's, and
        so is how many consumers it may have, where that has a limit.
        """
        info = await self._info()
        if info is None:
            return
        config = {**info.config, **wanted_config()}
        if config != info.config:
            raise_refusal((await self._update(config)).error)
        if config.get("max_consumers", -1) < 1:
            answer = await self._update({**config, "max_consumers": _ROOM})
            if answer.error is not None:  # a server that keeps the number which the stream was made with
                log.warning("the stream takes any number of consumers: %s", answer.error.description)

    async def delete(self) -> None:
        """Delete the stream with all its messages."""
        raise_refusal((await self._api(f"STREAM.DELETE.{STREAM_NAME}", _Done)).error)

    async def get(self, sequence: int) -> Stored | None:
        """The message at a sequence, as the stream's leader has it; None if there is none."""
        got = await self._api(f"STREAM.MSG.GET.{STREAM_NAME}", _Got, {"seq": sequence})
        if got.error is not None and got.error.err_code == _NO_MESSAGE:
            return None
        raise_refusal(got.error)
        raw = got.message or _RawMessage("")
        return Stored(raw.subject, _parse_headers(base64.b64decode(raw.hdrs)), base64.b64decode(raw.data))

    async def publish(self, messages: Sequence[Message], after: int, more: More | None = None) -> int:
        """Store all messages at the sequences after `after`, or none. Returns how many, once they are stored.

        `more` is asked which messages shall follow in the batch, when the server has made a place for it, which takes
        as long as storing it. What `more` raises is raised, and nothing is stored. Raises WrongSequence when the stream
        does not end at `after`.
        """
        first, *others = messages
        with self._inbox.answers() as answers:
            begin = opening(first, answers.subject, after)
            if not others:
                begin = single(first, answers.subject, after)
            elif more is not None:
                await self._send(begin)
                await self._connection.while_connected(answers.begun())
                begin, others = b"", [*others, *await more()]
            await self._send(begin + rest(others, answers.subject))
            await self._connection.while_connected(answers.stored(after + 1 + len(others)))
        return 1 + len(others)

    async def _send(self, frames: bytes) -> None:
        # nats-py's publish checks and encodes header by header: 29 µs a message, and 9 this way.
        client = self._connection.client
        await client._send_command(frames)  # noqa: SLF001 see above
        await client._flush_pending()  # noqa: SLF001 see above

    async def _info(self) -> _Info | None:
        info: _Info = await self._api(f"STREAM.INFO.{STREAM_NAME}", _Info)
        if info.error is not None and info.error.err_code == _STREAM_NOT_FOUND:
            return None
        raise_refusal(info.error)
        return info

    async def _update(self, config: dict[str, Any]) -> _Info:
        answer: _Info = await self._api(f"STREAM.UPDATE.{STREAM_NAME}", _Info, config)
        return answer

    async def _api(self, name: str, kind: type[Any], body: object = None) -> Any:
        return msgspec.json.decode((await self._connection.request(f"$JS.API.{name}", body)).data, type=kind)


def message_of(recorded: RecordedEvent, issuer: str) -> Message:
    """The event as a message; its JSON passes through undecoded."""
    headers = headers_of(recorded, issuer)
    lines = _lines(headers.items())
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        lines = _lines((name, value.translate(_LINE_ENDS)) for name, value in headers.items())
    return Message(subject_of(recorded.type, recorded.client), lines, recorded.data.encode())


def holds(stored: Stored, recorded: RecordedEvent) -> bool:
    """Whether a stored message is this event: the same id, subject and body."""
    return (
        stored.headers.get("ce-id") == str(recorded.position)
        and stored.subject == subject_of(recorded.type, recorded.client)
        and stored.data == recorded.data.encode()
    )


def _lines(headers: Iterable[tuple[str, str]]) -> str:
    return "".join([f"{name}: {value}\r\n" for name, value in headers])


def _parse_headers(raw: bytes) -> dict[str, str]:
    lines = raw.decode(errors="replace").split("\r\n")[1:]
    return {name: value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}


def wanted_config() -> dict[str, Any]:
    """The settings of the stream that sequence = position rests on."""
    return {
        "name": STREAM_NAME,
        "subjects": [SUBJECTS],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "max_msgs": -1,
        "max_msgs_per_subject": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msg_size": -1,
        "allow_atomic": True,
        "allow_direct": True,
        "deny_delete": True,
        "deny_purge": True,
    }


def _require_version(connection: Connection) -> None:
    version = connection.client.connected_server_version
    if (version.major, version.minor) < OLDEST_SERVER:
        wanted = ".".join(map(str, OLDEST_SERVER))
        raise StreamRefused(f"NATS {version.major}.{version.minor} is too old: atomic batches need {wanted} or newer")

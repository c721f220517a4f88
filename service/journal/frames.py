"""The bytes of messages on their way to the stream: single ones, and those of an atomic batch (NATS 2.12, ADR-50).

A message is its subject, its encoded header lines without the first and the last, and its body.
"""

from __future__ import annotations

from collections.abc import Sequence

Parts = tuple[str, str, bytes]

_HEADER_LINE = "NATS/1.0\r\n"


def single(message: Parts, reply: str, after: int) -> bytes:
    """A message that is stored only if the stream ends at `after`."""
    return _frame(message, reply, _follows(after))


def opening(message: Parts, reply: str, after: int) -> bytes:
    """The first message of a batch that is stored only if the stream then ends at `after`."""
    return _frame(message, reply, _member(reply, 1) + _follows(after))


def rest(messages: Sequence[Parts], reply: str) -> bytes:
    """The other messages of the batch with the same `reply`; the last one asks for all to be stored and is answered."""
    if not messages:
        return b""
    *between, last = messages
    frames = [_frame(message, "", _member(reply, number)) for number, message in enumerate(between, start=2)]
    commit = f"{_member(reply, len(messages) + 1)}Nats-Batch-Commit: 1\r\n"
    return b"".join([*frames, _frame(last, reply, commit)])


def _follows(after: int) -> str:
    return f"Nats-Expected-Last-Sequence: {after}\r\n"


def _member(reply: str, number: int) -> str:
    batch = reply.replace(".", "-").removeprefix("_INBOX-")
    return f"Nats-Batch-Id: {batch}\r\nNats-Batch-Sequence: {number}\r\n"


def _frame(message: Parts, reply: str, extra: str) -> bytes:
    subject, lines, data = message
    head = f"{_HEADER_LINE}{lines}{extra}\r\n".encode()
    where = f"{subject} {reply}" if reply else subject
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (where.encode(), len(head), len(head) + len(data), head, data)

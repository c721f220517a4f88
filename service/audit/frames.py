"""Server-Sent Events (HTML Living Standard section 9.2): what one event, and what no event, looks like on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from schema.envelope import RecordedEvent
from service.journal.told import as_object

_PIECE = 32_768
_RETRY_MILLISECONDS = 2_000

_encode = msgspec.json.Encoder().encode


def frame(event: RecordedEvent) -> bytes:
    """An event: its position as id, its type, and the same object that pages have, on one line."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.position, event.type.encode(), _encode(as_object(event)))


def opening(position: int) -> bytes:
    """What a stream begins with: how long to wait before reading on, and from where."""
    return b"retry: %d\n" % _RETRY_MILLISECONDS + heartbeat(position)


def heartbeat(position: int) -> bytes:
    """A sign of life that tells how far the record was looked through.

    A block with an id and without data: a reader takes the id over and dispatches nothing (section 9.2.6, first two
    steps of dispatching). So who reconnects goes on after what did not match, and not from the last that did.
    """
    return b": alive\nid: %d\n\n" % position


def pieces(frames: Iterable[bytes]) -> Iterator[bytes]:
    """Frames together, in pieces of some 32 KiB."""
    waiting, size = [], 0
    for one in frames:
        waiting.append(one)
        size += len(one)
        if size >= _PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)

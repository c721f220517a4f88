"""Sending bytes, many connections at once, and seeing that each is answered or closed in time."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.fuzz.mutations import Spoilt

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Z]")
_QUIET = 1.0
"""Seconds without a byte after which this side says that it has sent all: what is incomplete then ends at once."""
_HANG = 10.0
_GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
_ENOUGH = 1_000_000


class Outcome:
    """What came of all requests: how many of each status (0: closed without an answer), and what was wrong."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.faults: list[str] = []

    def note(self, sent: Spoilt, answered: bytes, *, hung: bool) -> None:
        """Count one, and keep it where it is a fault."""
        statuses = [int(status) for status in _STATUS.findall(answered)]
        self.statuses.update(statuses or [0])
        if hung:
            self.faults.append(f"number {sent.number} hung after {answered[:200]!r}: {sent.whole!r}")
        elif any(status >= 500 for status in statuses):
            self.faults.append(f"number {sent.number} got {answered[:600]!r}: {sent.whole!r}")


async def send_all(url: str, requests: Iterator[Spoilt], connections: int) -> Outcome:
    """Send them, so many at once."""
    parts = urlsplit(url)
    outcome = Outcome()

    async def lane() -> None:
        for request in requests:
            try:
                async with asyncio.timeout(_HANG):
                    answered = await _exchange(str(parts.hostname), int(parts.port or 80), request)
            except TimeoutError:
                outcome.note(request, b"", hung=True)
            else:
                outcome.note(request, answered, hung=False)

    await asyncio.gather(*(lane() for _ in range(connections)))
    return outcome


async def _exchange(host: str, port: int, request: Spoilt) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    answered = b""
    try:
        for piece in request.pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        said_all = False
        while len(answered) < _ENOUGH and not _is_whole(answered):
            try:
                async with asyncio.timeout(_HANG if said_all else _QUIET):
                    piece = await reader.read(65_536)
            except TimeoutError:
                if said_all:
                    raise
                if b"\r\n\r\n" in answered.removeprefix(_GO_ON):
                    break  # answered, though its length told of more: to HEAD, say
                said_all = True
                # One in sixteen is left to the server's own patience.
                if request.number % 16:
                    writer.write_eof()
                continue
            if not piece:
                break
            answered += piece
    except OSError:
        pass  # reset: it was closed while this side still sent
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return answered


def _is_whole(answered: bytes) -> bool:
    """Whether the first answer has come, as far as its length tells; of one without end, its head."""
    head, end, body = answered.removeprefix(_GO_ON).partition(b"\r\n\r\n")
    if not end:
        return False
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    return length is None or len(body) >= int(length[1])

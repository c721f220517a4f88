"""A NATS client that hands on the messages of one subscription as bytes.

What nats-py does for each message (two searches for what it is, its headers as a dictionary, an object, a task that
waits for it) takes longer than all that is done with it here.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from nats.aio.client import Client
from nats.protocol.parser import Parser

_MESSAGE = re.compile(rb"HMSG (\S+) (\d+) (\S+) (\d+) (\d+)\r\n")
_WITH_BODY = (b"MSG ", b"HMSG ")
_LINE_END = b"\r\n"


class RawClient(Client):
    """Gives the messages of the subscription `raw_sid` to `take`: subject, reply, headers and body.

    Those without a reply or without headers have b"" there.
    """

    raw_sid = -1
    take: Callable[[bytes, bytes, bytes, bytes], None]

    def __init__(self) -> None:
        super().__init__()
        self._ps = _Parser(self)

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        if sid == self.raw_sid:
            self.take(subject, reply, headers or b"", data)
        else:
            await super()._process_msg(sid, subject, reply, data, headers)


class _Parser(Parser):
    """Takes the messages of the raw subscription by itself; all else it leaves to nats-py, an operation at a time."""

    def __init__(self, client: RawClient) -> None:
        self._client = client
        super().__init__(client)

    def reset(self) -> None:
        """Begin a connection."""
        super().reset()
        self._rest = b""

    async def parse(self, data: bytes = b"") -> None:
        """Hand on all that has come whole."""
        data, at = self._rest + data, 0
        while at < len(data):
            at = self._take_messages(data, at)
            end = _end_of(data, at)
            if end is None:
                break
            await super().parse(data[at:end])
            at = end
        self._rest = data[at:]

    def _take_messages(self, data: bytes, at: int) -> int:
        """Hand on the messages of the raw subscription that come next; where they end."""
        sid = b"%d" % self._client.raw_sid
        while (found := _MESSAGE.match(data, at)) is not None and found[2] == sid:
            begin = found.end()
            body, end = begin + int(found[4]), begin + int(found[5])
            if end + len(_LINE_END) > len(data):
                break
            self._client.take(found[1], found[3], data[begin:body], data[body:end])
            at = end + len(_LINE_END)
        return at


def _end_of(data: bytes, at: int) -> int | None:
    """Where the operation that begins here ends; None where it has not come whole."""
    line_end = data.find(_LINE_END, at)
    if line_end < 0:
        return None
    end = line_end + len(_LINE_END)
    if data.startswith(_WITH_BODY, at):
        end += int(data[at:line_end].rpartition(b" ")[2]) + len(_LINE_END)
    return end if end <= len(data) else None

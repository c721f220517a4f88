"""The client that hands messages on as bytes: however the stream of bytes is cut, each comes once, in order."""

from __future__ import annotations

import random

import pytest

from consumers.raw_client import RawClient

OURS = 7
HEADERS = b"NATS/1.0\r\nce-id: 1\r\n\r\n"


class Heard(RawClient):
    """What came of the raw subscription, and what was left to nats-py."""

    def __init__(self) -> None:
        super().__init__()
        self.raw_sid = OURS
        self.taken: list[tuple[bytes, bytes, bytes, bytes]] = []
        self.left: list[tuple[int, bytes]] = []
        self.pings = 0
        self.take = lambda *parts: self.taken.append(parts)

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        if sid == self.raw_sid:
            await super()._process_msg(sid, subject, reply, data, headers)
        else:
            self.left.append((sid, data))

    async def _process_ping(self) -> None:
        self.pings += 1


def message(sid: int, data: bytes, *, reply: bytes = b"$JS.ACK.1 ", headers: bytes = HEADERS) -> bytes:
    """A message as the server sends it."""
    sizes = f"{len(headers)} {len(headers) + len(data)}".encode()
    return b"HMSG tally.v1.a.b %d %s%s\r\n%s%s\r\n" % (sid, reply, sizes, headers, data)


def _conversation(draw: random.Random) -> tuple[bytes, list[bytes], list[tuple[int, bytes]], int]:
    said, ours, others, pings = [], [], [], 0
    for number in range(60):
        data = b"{%d}\r\nHMSG x 7 y 1 1\r\n" % number  # a body may look like anything
        kind = draw.randrange(6)
        if kind < 3:
            said.append(message(OURS, data))
            ours.append(data)
        elif kind == 3:
            said.append(message(OURS, b"", reply=b"", headers=b"NATS/1.0 100 Idle\r\n\r\n"))
            ours.append(b"")
        elif kind == 4:
            said.append(draw.choice((message(8, data), b"MSG other 8 %d\r\n%s\r\n" % (len(data), data))))
            others.append((8, data))
        else:
            said.append(b"PING\r\n")
            pings += 1
    return b"".join(said), ours, others, pings


@pytest.mark.parametrize("seed", range(8))
async def test_each_message_comes_once_however_the_bytes_are_cut(seed: int) -> None:
    """Ours are taken as bytes, with and without a reply; all else goes to nats-py."""
    draw = random.Random(seed)
    said, ours, others, pings = _conversation(draw)
    client, at = Heard(), 0
    while at < len(said):
        size = draw.choice((1, 3, 40, 400))
        await client._ps.parse(said[at : at + size])
        at += size

    assert ours == [data for _, _, _, data in client.taken]
    assert (others, pings) == (client.left, client.pings)
    first = next(taken for taken in client.taken if taken[3])
    assert first[:3] == (b"tally.v1.a.b", b"$JS.ACK.1", HEADERS)


async def test_a_client_that_listens_to_nothing_leaves_all_to_nats_py() -> None:
    """Before there is a subscription nobody takes anything."""
    client = Heard()
    client.raw_sid = -1
    await client._ps.parse(message(OURS, b"one") + message(9, b"two"))

    assert client.left == [(OURS, b"one"), (9, b"two")]
    assert client.taken == []

"""Requests behind each other get an answer each, in their order, until the connection ends (RFC 9112 section 9.3)."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from litestar.types import Receive, Scope, Send

from service.http import protocol
from service.http.connections import ConnectionLimits
from tests.http.limited import GET, PATIENCE, POST, answer, eventually, limited

LIMITS = ConnectionLimits(header_timeout=3_600, body_timeout=3_600, idle=3_600)
CHUNKED = b"POST /c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


def test_requests_of_all_kinds_in_one_piece_are_told_apart() -> None:
    """With a body of known length, in chunks of one octet, and with none."""
    ones = b"".join(b"1\r\n%c\r\n" % octet for octet in b"octets")
    asked = POST % 3 + b"abc" + GET + CHUNKED + ones + b"0\r\na: trailer\r\n\r\n" + POST % 0 + GET
    bodies = ["abc", "", "octets", "", ""]
    for size in (len(asked), 7):
        with limited(LIMITS) as server, server.peer() as peer:
            for at in range(0, len(asked), size):
                peer.send(asked[at : at + size])
            peer.send(GET.replace(b"host", b"connection: close\r\nhost")).until_closed()
            answers = [json.loads(line) for line in peer.read.split(b"\n") if line.startswith(b"[")]
            assert [body for *_, body in answers] == [*bodies, ""]


def test_one_is_answered_after_the_other() -> None:
    """However long the first takes: none begins before that is done."""
    go_on = threading.Event()
    begun: list[str] = []

    async def app(scope: Scope, _: Receive, send: Send) -> None:
        known: Any = scope
        begun.append(known["path"])
        if known["path"] == "/first":
            await asyncio.to_thread(go_on.wait, PATIENCE)
        await answer(send, known["path"].encode() + b"\n")

    asked = GET.replace(b"/ ", b"/first ") + GET.replace(b"/ ", b"/second ")
    with limited(LIMITS, app) as server, server.peer() as peer:
        peer.send(asked)
        eventually(lambda: bool(begun))
        connection = server.connection()
        eventually(lambda: connection._waiting == 2 and connection.flow.read_paused)
        assert begun == ["/first"]
        go_on.set()
        peer.until(b"\r\n\r\n/second\n")
        assert peer.read.index(b"\r\n\r\n/first\n") < peer.read.index(b"\r\n\r\n/second\n")


async def deaf(_: Scope, __: Receive, send: Send) -> None:
    """An application that answers without the body."""
    await answer(send, b"deaf\n")


@pytest.mark.parametrize("late", [False, True])
def test_a_request_that_was_answered_gets_no_second_answer(late: bool) -> None:
    """Where the rest of its body is none, or does not come: the connection ends behind the first."""
    limits = LIMITS._replace(idle=0.2) if late else LIMITS
    with limited(limits, deaf) as server, server.peer() as peer:
        peer.send(CHUNKED + b"3\r\nabc\r\n").until(b"deaf\n")
        if not late:
            peer.send(b"no chunk\r\n")
        assert peer.until_closed().statuses == [200]


@pytest.mark.parametrize("closing", [b"connection: close\r\n", b""])
def test_who_still_sends_has_time_to_read_the_last_answer(closing: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes behind it is dropped; a connection that is closed at once would be reset (RFC 9112 section 9.6)."""
    monkeypatch.setattr(protocol, "_LAST_WORDS", 3_600.0)
    begun = (POST % 1_000_000).replace(b"host", closing + b"host")
    with limited(LIMITS, deaf) as server, server.peer() as peer:
        peer.send(begun + b"x" * 10).until(b"deaf\n").until_closed()
        for _ in range(100):
            peer.socket.sendall(b"x" * 1_000)
        peer.socket.sendall(GET)
        peer.socket.close()
        eventually(lambda: len(server.connections) == 0)
        assert (peer.statuses, server.echo.seen) == ([200], [])


class Waiting:
    """An application that waits for its peer to be gone."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.gone = threading.Event()

    async def __call__(self, _: Scope, receive: Receive, __: Send) -> None:
        """Read on until it is."""
        while (await receive())["type"] != "http.disconnect":
            self.began.set()
        self.gone.set()


@pytest.mark.parametrize("more", [GET, POST % 200_000 + b"x" * 200_000])
def test_who_waits_for_its_peer_is_told_that_it_is_gone_though_that_asked_on(more: bytes) -> None:
    """What a connection has asked meanwhile does not keep the server from reading that it has ended."""
    waiting = Waiting()
    with limited(LIMITS, waiting) as server:
        with server.peer() as peer:
            peer.send(GET)
            assert waiting.began.wait(PATIENCE)
            connection = server.connection()
            eventually(lambda: connection._answered.waits)
            for number in (2, 3):
                peer.send(more)
                eventually(lambda number=number: connection._waiting == number or connection._refusal)  # type: ignore[misc]
        assert waiting.gone.wait(PATIENCE)


def test_a_peer_that_says_no_more_is_gone() -> None:
    """One that ends its own side of the connection is taken for one that hung up, as who answers is told."""
    waiting = Waiting()
    with limited(LIMITS, waiting) as server, server.peer() as peer:
        peer.send(GET)
        assert waiting.began.wait(PATIENCE)
        peer.socket.shutdown(1)
        assert waiting.gone.wait(PATIENCE)
        eventually(lambda: len(server.connections) == 0)

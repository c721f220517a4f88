"""No more of a body is read than the application takes, and no more of an answer written than the peer takes."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from litestar.types import Receive, Scope, Send

from service.http.connections import ConnectionLimits
from service.http.request import TRANSPORT
from tests.http.limited import GET, PATIENCE, POST, answer, eventually, limited

LIMITS = ConnectionLimits(body=50_000_000, header_timeout=3_600, body_timeout=3_600, idle=3_600)
SIZE = 20_000_000
PIECE = 8_192


class Reader:
    """An application that takes a part of the body each time it may, and tells how long they were."""

    def __init__(self) -> None:
        self.may = threading.Semaphore(0)
        self.took: list[int] = []

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Read it all, and answer."""
        more = True
        while more:
            await asyncio.to_thread(self.may.acquire, timeout=PATIENCE)
            message: Any = await receive()
            self.took.append(len(message["body"]))
            more = message["more_body"]
        await answer(send, b"done\n")


def test_a_body_is_handed_over_as_it_comes() -> None:
    """The application need not wait for all of it."""
    app = Reader()
    with limited(LIMITS, app) as server, server.peer() as peer:
        peer.send(POST % 6)
        for taken in ([3], [3, 2], [3, 2, 1]):
            peer.send(b"x" * taken[-1])
            app.may.release()
            eventually(lambda taken=taken: app.took == taken)  # type: ignore[misc]  # a default of a lambda
            assert server.connection()._cycle._held == 0
        assert peer.until(b"done\n").statuses == [200]


def test_a_body_is_not_read_faster_than_it_is_taken() -> None:
    """What waits for the application is bounded, whatever the peer sends; and all of it arrives."""
    app = Reader()
    with limited(LIMITS, app) as server, server.peer() as peer:
        sending = threading.Thread(target=peer.send, args=(POST % SIZE + b"x" * SIZE,))
        sending.start()
        connection = server.connection()
        eventually(lambda: connection.flow.read_paused)
        assert connection._cycle._held <= 65_536 + 262_144
        app.may.release(10_000)
        peer.until(b"done\n")
        sending.join(PATIENCE)
    assert sum(app.took) == SIZE
    assert max(app.took) <= 65_536 + 262_144


class Writer:
    """An application that sends much, piece by piece, and looks how much of it waits for the peer."""

    def __init__(self) -> None:
        self.waited = 0
        self.sent = 0
        self.ended = threading.Event()

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Send it all."""
        known: Any = scope
        transport = known["extensions"][TRANSPORT]["transport"]
        start: Any = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % SIZE)]}
        await send(start)
        while self.sent < SIZE:
            size = min(PIECE, SIZE - self.sent)
            piece: Any = {"type": "http.response.body", "body": b"x" * size, "more_body": self.sent + size < SIZE}
            await send(piece)
            self.sent += size
            self.waited = max(self.waited, transport.get_write_buffer_size())
        self.ended.set()


def test_an_answer_is_not_written_faster_than_it_is_taken() -> None:
    """The application waits meanwhile; the peer gets all of it."""
    app = Writer()
    with limited(LIMITS, app) as server, server.peer(4_096) as peer:
        peer.send(GET)
        connection = server.connection()
        eventually(lambda: connection.flow.write_paused)
        assert not app.ended.is_set()
        taken = len(peer.until(b"\r\n\r\n").read.partition(b"\r\n\r\n")[2])
        while taken < SIZE:
            taken += len(peer.socket.recv(1_048_576))
        assert app.ended.wait(PATIENCE)
    assert app.waited <= 65_536 + 2 * PIECE


def test_who_waits_for_a_peer_that_goes_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """What it sends then goes nowhere, and is no failure."""
    app = Writer()
    with limited(LIMITS, app) as server:
        with server.peer(4_096) as peer:
            peer.send(GET)
            connection = server.connection()
            eventually(lambda: connection.flow.write_paused)
        assert app.ended.wait(PATIENCE)
    assert app.sent == SIZE
    assert caplog.records == []


def test_who_reads_on_behind_its_answer_is_told_that_there_is_nothing() -> None:
    """As if the peer had gone, which it may not do for long."""
    told: list[Any] = []

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"done\n")
        told.append(await receive())

    with limited(LIMITS, app) as server, server.peer() as peer:
        peer.send(POST % 3 + b"abc").until(b"done\n")
        eventually(lambda: told == [{"type": "http.disconnect"}])

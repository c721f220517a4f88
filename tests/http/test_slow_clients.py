"""Who is slow, silent or does not read holds a place among the connections for a bounded time, and nothing else."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.types import Receive, Scope, Send

from service.http.connections import ConnectionLimits, Connections
from service.http.request import TRANSPORT
from service.http.tls import self_signed
from tests.http.limited import GET, POST, answer, eventually, limited

IMPATIENT = ConnectionLimits(header_timeout=0.2, body_timeout=0.2, idle=0.2)
PATIENT = ConnectionLimits(header_timeout=3_600, body_timeout=3_600, idle=3_600)
HUGE = b"x" * 20_000_000 + b"\n"


async def huge(_: Scope, __: Receive, send: Send) -> None:
    """An application whose answer is more than the network takes at once."""
    await answer(send, HUGE)


@pytest.mark.parametrize("begun", [b"G", b"GET / HTTP/1.1\r\nhost: x\r\n", b"GET / HTTP/1.1\r\nhost: x\r\nx-a: b"])
def test_headers_that_do_not_come_in_time_are_408(begun: bytes) -> None:
    """The peer is told, and the connection ends; the application hears nothing of it."""
    with limited(IMPATIENT) as server:
        told = server.asked(begun)
        assert told.statuses == [408]
        assert b"content-type: application/problem+json" in told.read
        assert server.echo.seen == []


@pytest.mark.parametrize("said", [b"", b"\r\n"])
def test_a_silent_connection_is_closed(said: bytes) -> None:
    """Who asked nothing is told nothing; empty lines (RFC 9112 section 2.2) are nothing."""
    with limited(IMPATIENT) as server:
        assert server.asked(said).read == b""


def test_an_answered_connection_is_closed_in_time() -> None:
    """Idle, or with empty lines now and then."""
    with limited(IMPATIENT) as server, server.peer() as peer:
        peer.send(GET).until(b"\r\n\r\n").send(b"\r\n").until_closed()
        assert peer.statuses == [200]


@pytest.mark.parametrize(
    "begun", [POST % 10 + b"abc", b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"]
)
def test_a_body_that_does_not_come_in_time_is_408(begun: bytes) -> None:
    """The application, which waits for it, is told that the peer is gone."""
    with limited(IMPATIENT) as server:
        assert server.asked(begun).statuses == [408]
        assert server.echo.gone.wait(60)
        assert server.echo.seen == []


@pytest.mark.parametrize("begun", [GET[:20], POST % 10 + b"abc"])
def test_a_later_request_has_a_time_of_its_own(begun: bytes) -> None:
    """A connection that was answered may idle for long; what it begins then must come in time."""
    limits = ConnectionLimits(header_timeout=0.2, body_timeout=0.2, idle=3_600)
    with limited(limits) as server, server.peer() as peer:
        peer.send(GET).until(b"\r\n\r\n").send(begun).until_closed()
        assert peer.statuses == [200, 408]


def test_what_was_asked_before_is_answered_before() -> None:
    """A second request that stays incomplete changes nothing for the first."""
    with limited(IMPATIENT) as server:
        assert server.asked(GET + GET[:20]).statuses == [200, 408]


def test_an_answer_that_is_not_taken_ends_the_connection() -> None:
    """The server keeps neither the answer nor the connection for a reader that does not read."""
    with limited(IMPATIENT, huge) as server, server.peer(4_096) as peer:
        assert peer.send(GET).until(b"\r\n\r\n").statuses == [200]
        eventually(lambda: len(server.connections) == 0)
        assert len(peer.until_closed().read) < len(HUGE)


def test_an_application_that_waits_for_a_reader_is_let_go() -> None:
    """An answer in pieces, of which the reader takes none."""
    over = threading.Event()

    async def endless(_: Scope, __: Receive, send: Send) -> None:
        start: Any = {"type": "http.response.start", "status": 200, "headers": []}
        piece: Any = {"type": "http.response.body", "body": b"x" * 65_536, "more_body": True}
        await send(start)
        for _piece in range(1_000):
            await send(piece)
        over.set()

    with limited(IMPATIENT, endless) as server, server.peer(4_096) as peer:
        peer.send(GET)
        assert over.wait(60)
        eventually(lambda: len(server.connections) == 0)


def test_headers_begun_behind_large_answers_must_come_in_time() -> None:
    """Also where the answers were taken only after the next request had begun."""
    with limited(IMPATIENT._replace(idle=3_600), huge) as server, server.peer() as peer:
        assert peer.send(GET + GET[:20]).until_closed().statuses == [200, 408]


@pytest.mark.parametrize("asked", [GET, GET * 3])
def test_half_an_answer_that_is_not_taken_ends_the_connection(asked: bytes) -> None:
    """The application fails in the midst of it, and the little that is still to send waits for a reader."""
    failed = threading.Event()

    async def failing(scope: Scope, __: Receive, send: Send) -> None:
        start: Any = {"type": "http.response.start", "status": 200, "headers": []}
        piece: Any = {"type": "http.response.body", "body": b"x" * 8_192, "more_body": True}
        known: Any = scope
        transport = known["extensions"][TRANSPORT]["transport"]
        await send(start)
        while transport.get_write_buffer_size() < 16_384:
            await send(piece)
        failed.set()
        raise ConnectionAbortedError

    with limited(IMPATIENT, failing) as server, server.peer(4_096) as peer:
        peer.send(asked)
        assert failed.wait(60)
        eventually(lambda: len(server.connections) == 0)


def test_the_servers_own_time_is_not_the_peers() -> None:
    """A request that the application works at is not cut off, however long that takes."""
    began, done = threading.Event(), threading.Event()

    async def working(_: Scope, __: Receive, send: Send) -> None:
        began.set()
        while not done.is_set():
            await asyncio.sleep(0.01)
        await answer(send, b"done")

    with limited(IMPATIENT, working) as server, server.peer() as peer:
        peer.send(GET)
        assert began.wait(60)
        looked = server.connections.now
        eventually(lambda: server.connections.now > looked + 0.5)  # twice and more it was looked through
        done.set()
        assert peer.until(b"done").statuses == [200]


def test_headers_that_the_server_does_not_take_yet_are_not_late() -> None:
    """Where enough was asked before, it reads on once it has answered that."""
    done = threading.Event()

    async def working(_: Scope, __: Receive, send: Send) -> None:
        while not done.is_set():
            await asyncio.sleep(0.01)
        await answer(send, b"done\n")

    with limited(IMPATIENT._replace(idle=3_600), working) as server, server.peer() as peer:
        peer.send(GET * 2 + GET[:20])
        eventually(lambda: len(server.connections) == 1)
        connection: Any = next(iter(server.connections._open))
        eventually(lambda: connection._waiting == 2)
        peer.send(GET[20:])
        looked = server.connections.now
        eventually(lambda: server.connections.now > looked + 0.5)  # twice and more it was looked through
        done.set()
        eventually(lambda: connection._waiting == 0 and connection._phase == 0)
        peer.send(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").until_closed()
        assert peer.statuses == [200, 200, 200, 200]


def test_slow_clients_hold_no_worker() -> None:
    """Three hundred that trickle headers or bodies, or read nothing: a good client is answered beside them."""
    begun = (b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ", POST % 1_000 + b"x", GET * 3, b"")
    with limited(PATIENT) as server, ExitStack() as stack:
        for number in range(300):
            stack.enter_context(server.peer(4_096)).send(begun[number % len(begun)])
        eventually(lambda: len(server.connections) == 300)
        for _ in range(20):
            assert server.is_well()


def test_a_handshake_that_does_not_come_is_ended(tmp_path: Path) -> None:
    """By TLS a connection is nothing yet until both have shaken hands: it ends as others do, and others go on."""
    files = self_signed(tmp_path / "tls", "127.0.0.1")
    context = files.context()
    with limited(IMPATIENT, tls=context) as server, ExitStack() as stack:
        slow = [stack.enter_context(server.peer()).send(said) for said in (b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n")]
        for peer in slow:
            assert b"HTTP" not in peer.until_closed().read
        eventually(lambda: len(server.connections) == 0)
    patient = IMPATIENT._replace(header_timeout=60)
    with limited(patient, tls=files.context()) as server, server.peer(), server.peer().send(b"\x16\x03\x01"):
        eventually(lambda: len(server.connections) == 2)
        host, port = server.address
        assert httpx.get(f"https://{host}:{port}/", verify=False, timeout=60).status_code == 200  # noqa: S501  # its own
        assert len(server.connections) >= 2


class Waiting:
    """A connection whose time is over at a moment."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.expired = 0

    def is_idle(self) -> bool:
        """It is not."""
        return False

    def idle_since(self) -> float:
        """The longer, the sooner its time is over."""
        return self.until

    def is_closing(self) -> bool:
        """It is not."""
        return False

    def abort(self) -> None:
        """It is never asked to."""
        raise AssertionError

    def expire(self, now: float) -> None:
        """Count."""
        self.expired += 1

    def shutdown(self) -> None:
        """Nothing waits for it."""


def test_time_in_which_the_process_stood_still_is_nobodys() -> None:
    """What a peer sent while the worker was stopped is read before its time is over."""
    connections = Connections(PATIENT)
    connections.start(100.0)
    one = Waiting(103.0)
    connections.admit(one, "192.0.2.1")
    connections.tick(101.0)
    connections.tick(151.0)
    assert (one.expired, one.until) == (0, 153.0)
    connections.tick(152.5)
    assert one.expired == 0
    connections.tick(154.0)
    assert one.expired == 1


def test_who_answers_is_told_that_the_peer_is_gone() -> None:
    """Also where the peer had asked for more meanwhile."""
    began, gone = threading.Event(), threading.Event()

    async def waiting(_: Scope, receive: Receive, __: Send) -> None:
        began.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    for asked in (GET, GET * 3):
        began.clear()
        gone.clear()
        with limited(PATIENT, waiting) as server:
            with server.peer() as peer:
                peer.send(asked)
                assert began.wait(60)
            assert gone.wait(60)


def test_a_peer_that_resets_leaves_nothing() -> None:
    """At any moment of a request."""
    with limited(PATIENT) as server:
        for said in (b"", b"GET", POST % 10, GET):
            peer = server.peer().send(said)
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            peer.socket.close()
        eventually(lambda: len(server.connections) == 0)
        assert server.is_well()

"""What was answered leaves nothing behind but its connection, and that nothing but what is needed to go on."""

from __future__ import annotations

import gc
import socket
import ssl
from pathlib import Path
from typing import Any

from litestar.types import Receive, Scope, Send

from service.http.connections import ConnectionLimits
from service.http.cycle import Cycle
from service.http.flow import Flow
from service.http.protocol import HttpProtocol
from service.http.tls import self_signed
from tests.http.limited import GET, PATIENCE, POST, answer, eventually, limited

LIMITS = ConnectionLimits(header_timeout=3_600, body_timeout=3_600, idle=3_600)
CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = GET.replace(b"host", b"connection: close\r\nhost")


def alive() -> list[Any]:
    """What there is of connections and requests."""
    return [one for one in gc.get_objects() if type(one) in {HttpProtocol, Cycle, Flow}]


def test_no_connection_waits_for_the_garbage_collector(tmp_path: Path) -> None:
    """It runs seldom: what is in no cycle goes by itself, however the connection ended."""
    files = self_signed(tmp_path / "tls", "127.0.0.1")
    trust = ssl.create_default_context(cafile=str(files.certificate))
    gc.collect()
    before = len(alive())
    gc.disable()
    try:
        with limited(LIMITS) as server:
            for asked in (LAST, GET + LAST, LAST + GET, POST % 3 + b"abc" + LAST, b"no request\r\n\r\n"):
                server.asked(asked)
            assert server.is_well()
            eventually(lambda: len(server.connections) == 0)
            eventually(lambda: len(alive()) == before)
        with limited(LIMITS, tls=files.context()) as server:
            with (
                socket.create_connection(server.address, PATIENCE) as plain,
                trust.wrap_socket(plain, server_hostname="127.0.0.1") as peer,
            ):
                peer.sendall(LAST)
                while peer.recv(1_000):
                    pass
            eventually(lambda: len(alive()) == before)
    finally:
        gc.enable()


def test_trailers_are_not_kept() -> None:
    """There may be many, and each is more in memory than it was on its way."""
    trailers = b"0\r\n" + b"a:b\r\n" * 1_000
    with limited(LIMITS) as server, server.peer() as peer:
        peer.send(CHUNKED + b"1\r\na\r\n" + trailers)
        connection = server.connection()
        eventually(lambda: connection._before >= len(trailers))
        assert len(connection._headers) == 0
        peer.send(b"\r\n").until(b"]\n")
        assert len(connection._headers) == 0


def test_a_body_that_nobody_read_is_not_kept() -> None:
    """The connection may be idle for long."""

    async def deaf(_: Scope, __: Receive, send: Send) -> None:
        await answer(send, b"deaf\n")

    with limited(LIMITS, deaf) as server, server.peer() as peer:
        peer.send(POST % 60_000 + b"x" * 60_000).until(b"deaf\n")
        connection = server.connection()
        eventually(lambda: connection._cycle._parts == [])


def test_who_asks_and_is_gone_was_somewhere() -> None:
    """The system forgets the address of a peer that resets; a request without one would be this machine's own."""
    seen: list[Any] = []

    async def noting(scope: Scope, _: Receive, send: Send) -> None:
        known: Any = scope
        seen.append(known["client"][0] if known["client"] else None)
        await answer(send, b"noted\n")

    with limited(LIMITS, noting) as server:
        for _ in range(100):
            peer = server.peer().send(GET)
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            peer.socket.close()
        eventually(lambda: len(server.connections) == 0)
        assert server.is_well()
    assert set(seen) == {"127.0.0.1"}

"""A server with limits of its own, on a real socket and on uvloop as in production, and peers that write bytes."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self

import uvloop
from litestar.types import ASGIApp, Receive, Scope, Send

from service.http.connections import ConnectionLimits, Connections
from service.http.server import Server, listen, server_of

PATIENCE = 60.0
"""Seconds after which a test gives up; none of them measures anything."""
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
_STATUS = re.compile(rb"^HTTP/1\.1 (\d{3}) ", re.MULTILINE)


class Echo:
    """An application that answers with what it was asked, and keeps it: method, path, number of headers, body."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, list[str], str]] = []
        self.gone = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body, and answer."""
        body = b""
        while True:
            message: Any = await receive()
            if message["type"] == "http.disconnect":
                self.gone.set()
                return
            body += message["body"]
            if not message["more_body"]:
                break
        known: Any = scope
        asked = (known["method"], known["path"], [name.decode() for name, _ in known["headers"]], body.decode())
        self.seen.append(asked)
        await answer(send, json.dumps(asked).encode() + b"\n")


async def answer(send: Send, body: bytes) -> None:
    """Send 200 with a body."""
    start: Any = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}
    end: Any = {"type": "http.response.body", "body": body, "more_body": False}
    await send(start)
    await send(end)


class Peer:
    """One connection to it. What was read is kept, for the next look at it."""

    def __init__(self, address: Any, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(address)
        self.read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> Peer:
        """Send all of it; a peer that was cut off meanwhile sends what it can."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)
        return self

    def until(self, what: bytes) -> Peer:
        """Read on until it has come."""
        while what not in self.read:
            piece = self.socket.recv(65_536)
            assert piece, f"it was closed after {self.read!r}"
            self.read += piece
        return self

    def until_closed(self) -> Peer:
        """Read on until the server closes or resets the connection."""
        with contextlib.suppress(ConnectionResetError):
            while piece := self.socket.recv(1_048_576):
                self.read += piece
        return self

    @property
    def statuses(self) -> list[int]:
        """Of the answers that have come, in order; bodies here begin no line as an answer does."""
        return [int(status) for status in _STATUS.findall(self.read)]


class Limited(NamedTuple):
    """The server: where it is, what it counts, and what its application saw."""

    address: Any
    connections: Connections
    echo: Echo
    server: Server
    thread: threading.Thread

    def peer(self, receive_buffer: int | None = None) -> Peer:
        """A new connection."""
        return Peer(self.address, receive_buffer)

    def asked(self, data: bytes) -> Peer:
        """What a peer is told that sends this and reads until the connection ends."""
        with self.peer() as peer:
            return peer.send(data).until_closed()

    def connection(self) -> Any:
        """The server's side of the one connection, once it is open."""

        def opened() -> list[Any]:
            connections: list[Any] = list(self.connections._open)
            return [one for one in connections if one._of_connection]

        eventually(lambda: len(opened()) == 1)
        return opened()[0]

    def stop(self) -> None:
        """Ask it to end, as a signal does."""
        self.server.should_exit = True

    def ends(self) -> bool:
        """Whether it does, once it was asked to."""
        self.thread.join(PATIENCE)
        return not self.thread.is_alive()

    def is_well(self) -> bool:
        """Whether a good client is answered now."""
        with self.peer() as peer:
            return peer.send(GET).until(b"\r\n\r\n").statuses == [200]


@contextlib.contextmanager
def limited(
    limits: ConnectionLimits,
    app: ASGIApp | None = None,
    *,
    exempt: Callable[[str], bool] = lambda _: True,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Limited]:
    """A server in a thread of its own."""
    echo = Echo()
    listener = listen("127.0.0.1", 0)
    connections = Connections(limits, exempt, every=0.1)
    server = server_of(app or echo, tls, connections)
    running = threading.Thread(target=lambda: uvloop.run(server.serve(sockets=[listener])))
    running.start()
    try:
        yield Limited(listener.getsockname(), connections, echo, server, running)
    finally:
        server.should_exit = True
        running.join(PATIENCE)


def eventually(holds: Callable[[], bool]) -> None:
    """Return once it holds."""
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until, "it never did"
        time.sleep(0.01)

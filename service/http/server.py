"""Serve the application on a socket that is already bound, until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from email.utils import formatdate
from functools import partial

from litestar.types import ASGIApp

from service.http.accepting import Acceptor
from service.http.connections import ConnectionLimits, Connections
from service.http.protocol import HttpProtocol, Served
from service.http.tls import TlsFiles

log = logging.getLogger(__name__)

_BACKLOG = 2_048
_TICK = 0.1
_GRACE = 10.0
"""Seconds for which requests under way are answered after the end was asked for."""
_LAST = 1.0
"""Seconds for which those that are cut off then may put away what they hold."""


class Server:
    """Serves from its start until `should_exit` is set. Several times a second it looks through its connections."""

    def __init__(self, app: ASGIApp, connections: Connections, tls: ssl.SSLContext | None) -> None:
        self.should_exit = False
        self.started = False
        self._app = app
        self._connections = connections
        self._tls = tls

    async def serve(self, sockets: Sequence[socket.socket]) -> None:
        """Take connections off listening sockets, which are closed at the end; answer what was asked before that, for
        ten seconds at most.
        """
        self._connections.start(asyncio.get_running_loop().time())
        served = Served(self._app, self._connections)
        self._tick(served)
        protocol = partial(HttpProtocol, served)
        acceptors = [Acceptor(listener, self._connections, protocol, self._tls) for listener in sockets]
        self.started = True
        while not self.should_exit:
            await asyncio.sleep(_TICK)
            self._tick(served)
        for acceptor in acceptors:
            acceptor.close()
        for listener in sockets:
            listener.close()
        await self._end(served)
        for acceptor in acceptors:
            await acceptor.wait_closed()

    async def _end(self, served: Served) -> None:
        self._connections.shutdown()
        try:
            async with asyncio.timeout(_GRACE):
                while self._connections or served.running:
                    await asyncio.sleep(_TICK)
                    self._tick(served)
        except TimeoutError:
            tasks = [cycle.task for cycle in served.running if cycle.task is not None]
            log.warning("time is over: %d requests, %d connections are cut off", len(tasks), len(self._connections))
            for task in tasks:
                task.cancel()
            self._connections.abort()
            if tasks:
                await asyncio.wait(tasks, timeout=_LAST)

    def _tick(self, served: Served) -> None:
        self._connections.tick(asyncio.get_running_loop().time())
        served.date = f"date: {formatdate(usegmt=True)}\r\n".encode("ascii")


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    tls: TlsFiles | None = None,
    connections: Connections,
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests; on a signal finish those under way (10 s at most), then return.

    `on_stop` is called at once on a signal, to end what would not end by itself. Raises SettingsError for a certificate
    that cannot be used.
    """
    context = None if tls is None else tls.context()
    server = server_of(app, context, connections)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True
        on_stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    reloading = None if tls is None or context is None else asyncio.create_task(tls.reload(context))
    try:
        await server.serve(sockets=[listener])
    finally:
        if reloading is not None:
            reloading.cancel()


def server_of(app: ASGIApp, tls: ssl.SSLContext | None = None, connections: Connections | None = None) -> Server:
    """The server of an application, with the limits of its connections."""
    return Server(app, Connections(ConnectionLimits()) if connections is None else connections, tls)


def listen(host: str, port: int) -> socket.socket:
    """A bound, listening socket. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener

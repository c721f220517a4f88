"""Serve the application with uvicorn on a socket that is already bound, until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn
from litestar.types import ASGIApp

from service.http.accepting import Acceptor
from service.http.connections import ConnectionLimits, Connections
from service.http.protocol import HttpProtocol
from service.http.tls import TlsFiles

_BACKLOG = 2_048
_GRACE = 10


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: it raises the signal once more at the end, and the exit code would be
    that. Now and then it looks through the connections.
    """

    def __init__(self, config: uvicorn.Config, connections: Connections, tls: ssl.SSLContext | None) -> None:
        super().__init__(config)
        self._connections = connections
        self._tls = tls

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._connections.start(asyncio.get_running_loop().time())
        protocol = partial(HttpProtocol, self._connections, self.config, self.server_state)
        self.servers = [Acceptor(listener, self._connections, protocol, self._tls) for listener in sockets or ()]  # type: ignore[misc]  # close() and wait_closed() is all that is asked of them
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        self._connections.tick(asyncio.get_running_loop().time())
        return await super().on_tick(counter)


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


def server_of(
    app: ASGIApp, tls: ssl.SSLContext | None = None, connections: Connections | None = None
) -> uvicorn.Server:
    """The server of an application, with the limits of its connections; it serves until its `should_exit` is set."""
    if connections is None:
        connections = Connections(ConnectionLimits())
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=math.ceil(connections.limits.idle),
        timeout_graceful_shutdown=_GRACE,
        backlog=_BACKLOG,
    )
    return _Server(config, connections, tls)


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

"""Serve the application with uvicorn on a socket that is already bound, until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from litestar.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.http.request import TRANSPORT
from service.http.tls import TlsFiles

_BACKLOG = 2_048
_GRACE = 10


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: it raises the signal once more at the end, and the exit code would be
    that.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(HttpToolsProtocol):
    """Hands the connection to the application, which alone knows when an answer without end must end."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    tls: TlsFiles | None = None,
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests; on a signal finish those under way (10 s at most), then return.

    `on_stop` is called at once on a signal, to end what would not end by itself. Raises SettingsError for a certificate
    that cannot be used.
    """
    context = None if tls is None else tls.context()
    server = server_of(app, context)
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


def server_of(app: ASGIApp, tls: ssl.SSLContext | None = None) -> uvicorn.Server:
    """The server of an application; it serves until its `should_exit` is set."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=_Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE,
        backlog=_BACKLOG,
    )
    return _Server(config)


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

"""A NATS server of a test's own, that it may stop, kill and freeze."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from service.embedded.home import Home
from service.embedded.nats import FIRST_PORT, Nats
from service.embedded.process import Child


class NatsServer:
    """A server that keeps its port and its store from start to start."""

    def __init__(self, nats: Nats) -> None:
        self._nats = nats
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """The URL of the user that may do everything."""
        return self._nats.service_url

    @property
    def audit_url(self) -> str:
        """The URL of the user that may only read the stream."""
        return self._nats.audit_url

    async def start(self) -> None:
        """Start it; returns once it takes connections."""
        self._child = await self._nats.start()

    async def stop(self) -> None:
        """Stop it in order."""
        if self._child is not None:
            await self._nats.stop(self._child)
            self._child = None

    async def kill(self) -> None:
        """Kill it at once."""
        if self._child is not None:
            self.signal(signal.SIGKILL)
            await self._child.wait()
            self._child = None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, such as SIGSTOP."""
        assert self._child is not None
        os.kill(self._child.pid, number)


@asynccontextmanager
async def nats_server(folder: Path) -> AsyncIterator[NatsServer]:
    """A running server with its data under `folder`."""
    home = Home(folder)
    with home.lock() as secrets:
        server = NatsServer(Nats(home, secrets, lambda _: None))
        with _held(FIRST_PORT):
            await server.start()
        try:
            yield server
        finally:
            await server.stop()


@contextmanager
def _held(port: int) -> Iterator[None]:
    """Nobody gets the port meanwhile: whose own it is, and is killed, might find another test's server there."""
    with socket.socket() as holder:
        with suppress(OSError):  # somebody has it already
            holder.bind(("127.0.0.1", port))
            holder.listen()
        yield

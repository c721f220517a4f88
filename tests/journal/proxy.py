"""A wire between a client and Postgres that can be held, in either direction, or cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit, urlunsplit

_CHUNK = 65_536


class Proxy:
    """Forwards bytes while the gates are open: `requests` towards Postgres, `answers` from it.

    What came while a gate was closed goes on when it opens, and is lost when the wire is cut.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self._wires: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self.requests = asyncio.Event()
        self.answers = asyncio.Event()
        self.held = asyncio.Event()
        self.connections = 0
        self._stranded = 0

    @property
    def url(self) -> str:
        """The upstream URL by way of this wire."""
        login = self._upstream.netloc.rpartition("@")[0]
        host, port = self._server.sockets[0].getsockname()
        place = f"{login}@{host}:{port}" if login else f"{host}:{port}"
        return urlunsplit(("postgresql", place, self._upstream.path, "sslmode=disable", ""))

    async def start(self) -> None:
        """Listen on a loopback port, with both gates open."""
        self.release()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Cut everything and stop listening."""
        self._server.close()
        self.release()
        self.cut()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        await self._server.wait_closed()

    def hold_requests(self) -> None:
        """From now on nothing reaches Postgres."""
        self.held.clear()
        self.requests.clear()

    def hold_answers(self) -> None:
        """From now on nothing comes back from Postgres."""
        self.held.clear()
        self.answers.clear()

    def hold(self) -> None:
        """From now on nothing passes: connections stand, and are silent."""
        self.hold_requests()
        self.hold_answers()

    def strand(self) -> None:
        """The connections of now are silent for good, as after a lost route; new ones pass."""
        self._stranded = self.connections

    def release(self) -> None:
        """Everything passes, first what was held."""
        self.requests.set()
        self.answers.set()

    def cut(self) -> None:
        """Cut every connection; what is held is lost. New connections pass as the gates say."""
        for wire in self._wires:
            wire.transport.abort()
        for pump in self._pumps:
            pump.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            upstream_reader, upstream_writer = await self._open_upstream()
        except OSError:
            writer.transport.abort()
            return
        for source, target, gate in (
            (reader, upstream_writer, self.requests),
            (upstream_reader, writer, self.answers),
        ):
            self._wires.add(target)
            pump = asyncio.create_task(self._pump(number, source, target, gate))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _open_upstream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        folder = parse_qs(self._upstream.query).get("host", [""])[0]
        port = self._upstream.port or 5432
        if folder.startswith("/"):
            return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{port}")
        return await asyncio.open_connection(self._upstream.hostname or folder or "127.0.0.1", port)

    async def _pump(
        self, number: int, source: asyncio.StreamReader, target: asyncio.StreamWriter, gate: asyncio.Event
    ) -> None:
        try:
            with contextlib.suppress(OSError):
                while chunk := await source.read(_CHUNK):
                    if number <= self._stranded:
                        await asyncio.Event().wait()
                    if not gate.is_set():
                        self.held.set()
                        await gate.wait()
                    target.write(chunk)
                    await target.drain()
        finally:
            target.transport.abort()
            self._wires.discard(target)


@asynccontextmanager
async def proxy(upstream: str) -> AsyncIterator[Proxy]:
    """A running wire to the Postgres of a URL."""
    running = Proxy(upstream)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()

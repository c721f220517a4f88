"""Connections taken off a listening socket: let in or not, and then opened, by TLS where there is a certificate.

The event loop would take all that come and tell of them once they have shaken hands. Here their number and source are
known before that: who is not let in costs no handshake, and one under way is among the connections that are counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

from service.http.connections import Connections
from service.http.protocol import HttpProtocol
from service.http.refusals import TOO_MANY_CONNECTIONS

log = logging.getLogger(__name__)

_AT_ONCE = 64
_NO_FILES = 1.0
"""Seconds for which none is taken where none can be, for want of file descriptors or memory."""


class Acceptor:
    """Takes connections off one listening socket while it is open."""

    def __init__(
        self,
        listener: socket.socket,
        connections: Connections,
        protocol: Callable[[Any], HttpProtocol],
        tls: ssl.SSLContext | None,
    ) -> None:
        self._listener = listener
        self._connections = connections
        self._protocol = protocol
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._closed = False
        listener.setblocking(False)
        self._loop.add_reader(listener, self._take_all)

    def close(self) -> None:
        """Take no more, and end what is not open yet."""
        self._closed = True
        self._loop.remove_reader(self._listener)
        for task in self._opening:
            task.cancel()

    async def wait_closed(self) -> None:
        """Return when that is done."""
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _take_all(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("no connection can be taken: %s", error)
                self._loop.remove_reader(self._listener)
                self._loop.call_later(_NO_FILES, self._go_on)
                return
            self._take(accepted, address)

    def _go_on(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener, self._take_all)

    def _take(self, accepted: socket.socket, address: Any) -> None:
        source = str(address[0]) if isinstance(address, tuple) else None
        protocol = self._protocol(address)
        if self._connections.admit(protocol, source) is not None:
            with accepted, contextlib.suppress(OSError):
                accepted.setblocking(False)
                if self._tls is None:
                    accepted.send(TOO_MANY_CONNECTIONS.answer())
            return
        task = self._loop.create_task(self._open(accepted, protocol))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, accepted: socket.socket, protocol: HttpProtocol) -> None:
        accepted.setblocking(False)
        timeout = None if self._tls is None else self._connections.limits.header_timeout
        try:
            await self._loop.connect_accepted_socket(
                lambda: protocol, accepted, ssl=self._tls, ssl_handshake_timeout=timeout
            )
        except OSError:  # also what TLS has to say, and a handshake that takes too long
            pass
        finally:
            if not protocol.open:
                accepted.close()
                self._connections.leave(protocol)
                self._connections.cut("tls_handshake")

"""The open connections of one worker: how many there may be, from where, and how long each may keep it waiting.

Nothing here is done for each request but to note a moment until which the peer has time; once a second those are
looked through whose time is over. So a connection that does nothing, or too little, costs a place among
`connections_limit` and no work, and that for a bounded time.
"""

from __future__ import annotations

import logging
import math
import resource
from collections import deque
from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple, Protocol

from projections.login_failures import network_of
from service.http.addresses import is_loopback
from service.http.proxies import Proxies
from service.settings import Settings
from service.telemetry.metrics import CONNECTIONS, CUT

log = logging.getLogger(__name__)

_STOOD_STILL = 5.0
"""Seconds without a tick after which this process was stopped, and not busy."""
_RESERVED_FILES = 256
"""File descriptors that are kept for Postgres, NATS, files and threads."""


class ConnectionLimits(NamedTuple):
    """What a peer may take. Sizes are in bytes, times in seconds; a limit of 0 connections is none."""

    header: int = 32_768
    body: int = 65_536
    header_timeout: float = 10.0
    body_timeout: float = 30.0
    connections: int = 10_000
    per_source: int = 256
    idle: float = 75.0
    """For which an answered connection stays open: for the next request, or for the rest of the answer to be taken."""

    @classmethod
    def of(cls, settings: Settings) -> ConnectionLimits:
        """Those of the settings; no more connections than the process may have files for."""
        return cls(
            header=settings.max_header,
            body=settings.max_body,
            header_timeout=settings.header_timeout,
            body_timeout=settings.body_timeout,
            connections=_within_files(settings.connections_limit),
            per_source=settings.connections_per_source,
        )


class Connection(Protocol):
    """One connection, as the limits see it."""

    until: float
    """Until when the peer has time, by the event loop's clock; infinite while it is the server's turn."""

    def is_idle(self) -> bool:
        """Whether nothing was asked that is not answered, so that it can be opened again."""

    def idle_since(self) -> float:
        """Since when it is, by the event loop's clock."""

    def is_closing(self) -> bool:
        """Whether this side has ended it, and the peer has still to take what was written."""

    def abort(self) -> None:
        """End it at once, and wait for nothing."""

    def expire(self, now: float) -> None:
        """End what the peer has had its time for."""

    def shutdown(self) -> None:
        """Answer what was asked, and no more."""


class Connections:
    """Counts connections by source. `exempt` says of which addresses any number may come, `every` after how many
    seconds those are looked through whose time is over.

    `until_header` and its like are when the time of what begins now is over.
    """

    def __init__(
        self, limits: ConnectionLimits, exempt: Callable[[str], bool] = is_loopback, every: float = 1.0
    ) -> None:
        self.limits = limits
        self.every = every
        self._exempt = exempt
        self._open: dict[Connection, str | None] = {}
        self._sources: dict[str, dict[Connection, None]] = {}
        self.start(0.0)

    def start(self, now: float) -> None:
        """Begin to keep the time."""
        self._ticked = now
        self.note_time(now)

    def note_time(self, now: float) -> None:
        """Say what time it is, by the event loop's clock: now and then is enough for what takes seconds."""
        self.now = now
        self._idle: deque[tuple[bool, float, Connection]] | None = None
        self.until_header = now + self.limits.header_timeout
        self.until_body = now + self.limits.body_timeout
        self.until_idle = now + self.limits.idle

    @classmethod
    def of(cls, settings: Settings) -> Connections:
        """Those of a worker: a trusted proxy and this machine itself may have any number. Raises SettingsError."""
        proxies = Proxies.of(settings)

        def exempt(address: str) -> bool:
            return is_loopback(address) or (proxies is not None and proxies.are_at(address))

        return cls(ConnectionLimits.of(settings), exempt)

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Connection, address: str | None) -> str | None:
        """Let a connection in; where it is one too many, the limit that it is over, and it is not let in.

        Where there are as many as may be, one that is idle is ended instead: of the same source, if it is that which
        has too many, else of any.
        """
        limits = self.limits
        source = None
        if limits.per_source and address is not None and not self._exempt(address):
            source = network_of(address)
            group = self._sources.get(source, {})
            if len(group) >= limits.per_source and not self._end(
                min((one for one in group if one.is_idle()), key=lambda one: one.idle_since(), default=None)
            ):
                return self.cut("connections_per_source")
        if limits.connections and len(self._open) >= limits.connections and not self._end(self._longest_idle()):
            return self.cut("connections_limit")
        if source is not None:
            self._sources.setdefault(source, {})[connection] = None
        self._open[connection] = source
        return None

    def _end(self, idle: Connection | None) -> bool:
        """End an idle connection, if there is one."""
        if idle is None:
            return False
        self.leave(idle)
        idle.abort()
        return True

    def _longest_idle(self) -> Connection | None:
        """The connection that is idle for longest, one that counts for no source only where there is no other.

        All are looked through once a tick at most, lest many that come where there is no room make that the work.
        """
        if self._idle is None:
            found = [(source is None, one.idle_since(), one) for one, source in self._open.items() if one.is_idle()]
            self._idle = deque(sorted(found, key=itemgetter(0, 1)))
        while self._idle:
            _, since, one = self._idle.popleft()
            if one in self._open and one.is_idle() and one.idle_since() == since:
                return one
        return None

    def leave(self, connection: Connection) -> None:
        """A connection that was let in is no more."""
        source = self._open.pop(connection, None)
        if source is not None:
            group = self._sources[source]
            del group[connection]
            if not group:
                del self._sources[source]

    def tick(self, now: float) -> None:
        """Called several times a second: look through the connections where it is time to."""
        stood_still, self._ticked = now - self._ticked, now
        if stood_still > _STOOD_STILL:  # what peers sent meanwhile is still to be read
            for connection in self._open:
                connection.until += stood_still
        if now - self.now >= self.every:
            self.note_time(now)
            for connection in self._open:
                if connection.until == math.inf and connection.is_closing():
                    connection.until = self.until_idle
            for connection in [one for one in self._open if one.until < now]:
                connection.expire(now)
            CONNECTIONS.set(len(self._open))

    def shutdown(self) -> None:
        """The server stops: let all go that wait for no answer, the others once they have it."""
        for connection in list(self._open):
            connection.shutdown()

    def abort(self) -> None:
        """The time to answer is over: let all go."""
        for connection in list(self._open):
            connection.abort()

    def cut(self, reason: str) -> str:
        """Count a connection that this server ends for what its peer did, or did not do. Returns the reason."""
        CUT.labels(reason).inc()
        return reason


def _within_files(connections: int) -> int:
    """As many connections as are wanted, or as this process may have open: it allows itself more files as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _RESERVED_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    room = max(1, soft - _RESERVED_FILES)
    log.warning("TALLYSTICK_CONNECTIONS_LIMIT is %d, and %d files may be open (ulimit -n): %d", connections, soft, room)
    return room

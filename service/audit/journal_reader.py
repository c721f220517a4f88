"""Reads the journal for those who read it over HTTP: by position, filtered, never more than a bound at once.

Over connections of its own, few of them, so that readers of the past never stand in the way of tokens. Their sessions
forbid sequential scans: a plan that was made while the journal was small would go on scanning one that has grown.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Network
from typing import Any, NamedTuple, TypeVar

import asyncpg

from schema.envelope import RECORDED_COLUMNS, RecordedEvent
from service.audit.filters import Filters, Network
from service.journal.port import JournalTimeout, JournalUnavailable
from service.journal.postgres import Link, close, cut_off_if_cancelled, keep_session, session_settings

LOOKED_THROUGH = 20_000
"""Positions that one reading looks through at most, however few of them match."""

_CLOCK_SLACK = dt.timedelta(seconds=60)
_CONNECTIONS = 2
# What is no address is in no network; the cast would fail on it. An IPv4 address within IPv6 is in no IPv6 network.
_ADDRESS = r"^(\d{1,3}(\.\d{1,3}){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)$"
_MATCHES = rf"""
    position > $1 AND position <= $2
    AND ($4::text[] IS NULL OR type = ANY ($4))
    AND ($5::text IS NULL OR client = $5)
    AND ($6::text IS NULL OR data ->> 'subject' = $6)
    AND ($7::text[] IS NULL OR CASE WHEN source ~ '{_ADDRESS}' THEN source::inet <<= ANY ($7::text[]::inet[])
        AND NOT (source::inet <<= '::ffff:0:0/96' AND family(($7::text[])[1]::inet) = 6) END)
    AND ($8::timestamptz IS NULL OR recorded_at >= $8)
    AND ($9::timestamptz IS NULL OR recorded_at < $9)
"""
BY_POSITION = f"SELECT {RECORDED_COLUMNS} FROM journal.events WHERE {_MATCHES} ORDER BY position LIMIT $3"  # noqa: S608 constant
# A grant's events lie together, and their versions are in the order of their positions.
BY_GRANT = f"""
    SELECT {RECORDED_COLUMNS} FROM journal.events WHERE stream = $10 AND {_MATCHES} ORDER BY version LIMIT $3
"""  # noqa: S608 constant
FIRST_FROM = "SELECT position, recorded_at FROM journal.events WHERE position >= $1 ORDER BY position LIMIT 1"
_HEAD = "SELECT position FROM journal.head"
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

T = TypeVar("T")


class Page(NamedTuple):
    """Matching events in order; `next` is the position to go on after, `head` the last one of the journal."""

    events: list[RecordedEvent]
    next: int
    head: int


class JournalReader:
    """Pages of the journal at `url`. `deadline` is that of one page, in seconds, and of its turn."""

    def __init__(self, url: str, deadline: float) -> None:
        self._url = url
        self._deadline = deadline
        self._pool: asyncpg.Pool[Any] | None = None
        self._turns = asyncio.Semaphore(_CONNECTIONS)

    async def page(self, after: int, limit: int, filters: Filters) -> Page:
        """The next `limit` events after a position that match, or fewer. Raises JournalUnavailable."""

        async def read(link: Link) -> Page:
            head = int(await link.fetchval(_HEAD))
            start, last = await self._bounds(link, after, head, filters)
            if filters.grant is None:
                until = min(start + LOOKED_THROUGH, last)
                rows = await link.fetch(BY_POSITION, *_arguments(start, until, limit, filters))
            else:
                until = last
                rows = await link.fetch(BY_GRANT, *_arguments(start, until, limit, filters), filters.grant)
            events = [RecordedEvent.from_row(row) for row in rows]
            if len(events) == limit:
                return Page(events, events[-1].position, head)
            return Page(events, max(after, head if until >= last else until), head)

        return await self._within_deadline(read)

    async def head(self) -> int:
        """The last position. Raises JournalUnavailable."""
        return int(await self._within_deadline(lambda link: link.fetchval(_HEAD)))

    async def stop(self) -> None:
        """Disconnect."""
        pool, self._pool = self._pool, None
        await close(pool)

    async def _bounds(self, link: Link, after: int, head: int, filters: Filters) -> tuple[int, int]:
        """Where to begin after, and the last position worth looking at. Events are recorded in the order of their
        times, but for a clock that was set back: by a minute at most, says the slack.
        """
        start, last = after, head
        if filters.since is not None:
            start = max(start, await self._first_since(link, filters.since - _CLOCK_SLACK, after, head) - 1)
        if filters.until is not None:
            last = max(after, await self._first_since(link, filters.until + _CLOCK_SLACK, after, head) - 1)
        return start, last

    async def _first_since(self, link: Link, moment: dt.datetime, after: int, head: int) -> int:
        """The first position after `after` that was recorded at `moment` or later; `head` + 1 if none was."""
        low, high = after + 1, head + 1
        middle = low  # who goes on reading is past it already
        while low < high:
            found = await link.fetchrow(FIRST_FROM, middle)
            if found is None or found["position"] >= high or found["recorded_at"] >= moment:
                high = middle
            else:
                low = found["position"] + 1
            middle = (low + high) // 2
        return low

    async def _within_deadline(self, work: Callable[[Link], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._deadline), self._turns, (await self._connected()).acquire() as link:
                return await cut_off_if_cancelled(link, work)
        except TimeoutError as error:
            raise JournalTimeout("Postgres did not answer within the deadline") from error
        except _FAILURES as error:
            raise JournalUnavailable(f"Postgres: {error}") from error

    async def _connected(self) -> asyncpg.Pool[Any]:
        if self._pool is None:
            # With min_size 0 nothing connects here, so nothing is awaited in between.
            self._pool = asyncpg.create_pool(
                self._url,
                min_size=0,
                max_size=_CONNECTIONS,
                timeout=10,
                reset=keep_session,
                server_settings=session_settings() | {"enable_seqscan": "off", "enable_bitmapscan": "off"},
            )
        return await self._pool


def _arguments(start: int, until: int, limit: int, filters: Filters) -> tuple[object, ...]:
    return (
        start,
        until,
        limit,
        None if filters.types is None else sorted(filters.types),
        filters.client,
        filters.subject,
        None if filters.network is None else _spellings(filters.network),
        filters.since,
        filters.until,
    )


def _spellings(network: Network) -> list[str]:
    """A network as Postgres compares it; an IPv4 one also within IPv6."""
    if isinstance(network, IPv4Network):
        return [str(network), f"::ffff:{network.network_address}/{network.prefixlen + 96}"]
    return [str(network)]

"""The Postgres session of the one relay that publishes: it holds the leader's lock, hears of commits and reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from schema.envelope import RecordedEvent
from service.journal.port import JournalTimeout, JournalUnavailable
from service.journal.postgres import connect
from service.journal.relay_plan import Bounds

# A leader whose machine has gone is found out within seconds, and the server gives its lock to another. A plan that was
# made while the journal was small is kept by the session: without the planner options it would go on scanning a table
# that has grown. A statement that outlives its caller would hold the lock: the server ends it.
_SESSION = """
    SET tcp_keepalives_idle = 4; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3;
    SET enable_seqscan = off; SET enable_bitmapscan = off; SET statement_timeout = {milliseconds}
"""
# Asked again and again rather than waited for: a statement that waits for days holds back vacuum for as long.
_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtext('tallystick.relay'))"
_COLUMNS = "position, stream, version, type, client, data::text AS data, actor, source, trace, recorded_at"
_READ = f"SELECT {_COLUMNS} FROM journal.events WHERE position > $1 ORDER BY position LIMIT $2"  # noqa: S608 constant
_EVENT = f"SELECT {_COLUMNS} FROM journal.events WHERE position = $1"  # noqa: S608 constant
_BOUNDS = "SELECT (SELECT min(position) FROM journal.events) AS first, h.position AS head FROM journal.head h"
_REPORT = "SELECT journal.report_relay($1, $2, $3)"

# asyncpg answers with an InternalClientError when the server has said that it ends the session.
POSTGRES_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


class Leader:
    """Leadership, as long as the session lives; a query that fails or takes longer than `timeout` seconds ends it."""

    def __init__(self, connection: asyncpg.Connection[Any], timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._one_at_a_time = asyncio.Lock()
        self.lost = asyncio.Event()
        self.grown = asyncio.Event()
        connection.add_termination_listener(lambda *_: self.lost.set())

    @classmethod
    async def elect(cls, url: str, *, timeout: float = 5.0, standby: float = 0.2) -> Leader:
        """Wait until no other relay leads, asking every `standby` seconds. Raises JournalUnavailable."""
        leader = cls(await connect(url, timeout), timeout)
        try:
            await leader._ask(leader._connection.execute, _SESSION.format(milliseconds=int(timeout * 1_000)))
            while not await leader._ask(leader._connection.fetchval, _TRY_LOCK):
                await asyncio.sleep(standby)
            await leader._ask(leader._connection.add_listener, "tallystick_journal", leader._journal_grew)
        except BaseException:
            leader.close()
            raise
        return leader

    def close(self) -> None:
        """Give the leadership up."""
        self._connection.terminate()
        self.lost.set()

    async def bounds(self) -> Bounds:
        """The first and the last position of the journal, of one moment. Raises JournalUnavailable."""
        row = await self._ask(self._connection.fetchrow, _BOUNDS)
        return Bounds(row["head"] + 1 if row["first"] is None else row["first"], row["head"])

    async def read(self, after: int, limit: int) -> list[RecordedEvent]:
        """The events after a position, in order, at most `limit`. Raises JournalUnavailable."""
        return [RecordedEvent.from_row(row) for row in await self._ask(self._connection.fetch, _READ, after, limit)]

    async def event(self, position: int) -> RecordedEvent | None:
        """The event at a position. Raises JournalUnavailable."""
        row = await self._ask(self._connection.fetchrow, _EVENT, position)
        return None if row is None else RecordedEvent.from_row(row)

    async def report(self, position: int, state: str, reason: str) -> None:
        """Say how far the relay is and how it is, for readiness. Raises JournalUnavailable."""
        await self._ask(self._connection.execute, _REPORT, position, state, reason)

    async def _ask(self, ask: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
        try:
            async with self._one_at_a_time, asyncio.timeout(self._timeout):
                return await ask(*arguments)
        except TimeoutError as error:
            self.close()
            raise JournalTimeout(f"Postgres did not answer within {self._timeout:g} s") from error
        except POSTGRES_FAILURES as error:
            self.close()
            raise JournalUnavailable(f"Postgres: {error}") from error

    def _journal_grew(self, *_: object) -> None:
        self.grown.set()

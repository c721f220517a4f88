"""One partition's Postgres session: it holds the partition's lock, reads the journal and keeps what was learned.

The lock goes with the session, so what a session that lost it still writes, it cannot write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from consumers.anomalies.judge import Share
from consumers.anomalies.verify import Claim
from schema.envelope import RecordedEvent

NAME = "anomalies-{}"
"""The name of a partition in `projection.progress`."""

# A consumer whose machine has gone is found out within seconds, and another takes its partition. A plan that was made
# while the journal was small is kept by the session: without the planner options it would scan a table that has grown.
_SESSION = """
    SET tcp_keepalives_idle = 4; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3;
    SET enable_seqscan = off; SET enable_bitmapscan = off; SET statement_timeout = {milliseconds}
"""
_SETTINGS = {"role": "tallystick_app", "application_name": "tallystick-anomalies", "timezone": "UTC"}
_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtext('tallystick.anomalies'), $1)"
_COLUMNS = "position, stream, version, type, client, data::text AS data, actor, source, trace, recorded_at"
_PAGE = f"SELECT {_COLUMNS} FROM journal.events WHERE position > $1 ORDER BY position LIMIT $2"  # noqa: S608 constant
_CLAIM = (
    "position::text, stream::text, version::text, type, client, coalesce(translate(source, E'\\r\\n', '  '), ''),"
    """ to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), data::text"""
)
_CLAIMS = f"SELECT {_CLAIM} FROM journal.events WHERE position BETWEEN $1 AND $2 ORDER BY position"  # noqa: S608 constant
_DIGEST = f"""
    SELECT encode(sha256(convert_to(string_agg(concat_ws(E'\\n', {_CLAIM}), E'\\n' ORDER BY position), 'UTF8')), 'hex')
    FROM journal.events WHERE position BETWEEN $1 AND $2
"""  # noqa: S608 constant
_HEAD = "SELECT position FROM journal.head"
_TIME_AT = """
    SELECT extract(epoch FROM recorded_at)::float8 AS at FROM journal.events
    WHERE position >= $1 ORDER BY position LIMIT 1
"""
_SNAPSHOT = "SELECT position, data FROM projection.anomaly_snapshots WHERE parts = $1 AND part = $2"
_SNAPSHOTS_OF_OTHERS = "SELECT position, data FROM projection.anomaly_snapshots WHERE parts <> $1 ORDER BY position"
_KEEP = """
    INSERT INTO projection.anomaly_snapshots AS s (parts, part, position, data) VALUES ($1, $2, $3, $4)
    ON CONFLICT (parts, part) DO UPDATE SET position = excluded.position, data = excluded.data,
        taken_at = clock_timestamp()
"""
# What the partitions were before is of no use once each of those of now has its own.
_DROP_OTHERS = """
    DELETE FROM projection.anomaly_snapshots
    WHERE parts <> $1 AND (SELECT count(*) FROM projection.anomaly_snapshots WHERE parts = $1) = $1
"""
_REPORT = """
    INSERT INTO projection.progress AS p (name, position, state, reason) VALUES ($1, coalesce($2, 0), $3, $4)
    ON CONFLICT (name) DO UPDATE SET position = coalesce($2, p.position), state = $3, reason = $4,
        seen_at = clock_timestamp()
"""
_SECRET = "SELECT secret FROM projection.anomaly_consumers"
_DROP_PROGRESS = "DELETE FROM projection.progress WHERE name = ANY ($1)"
FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises; an InternalClientError when the server has said that it ends the session."""


class LedgerLost(Exception):
    """Postgres does not answer, or the session and with it the partition is lost. The message holds no password."""


class Ledger:
    """The session of one partition; a query that fails or takes longer than `timeout` seconds ends it.

    Every method raises LedgerLost.
    """

    def __init__(self, connection: asyncpg.Connection[Any], share: Share, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._one_at_a_time = asyncio.Lock()
        self.share = share
        self.name = NAME.format(share.part)
        self.lost = asyncio.Event()
        connection.add_termination_listener(lambda *_: self.lost.set())

    @classmethod
    async def take(cls, url: str, share: Share, *, timeout: float = 10.0) -> Ledger | None:
        """The session of a partition, None where another process has it."""
        ledger = cls(await connect(url, timeout), share, timeout)
        try:
            await ledger._ask(ledger._connection.execute, _SESSION.format(milliseconds=int(timeout * 1_000)))
            if await ledger._ask(ledger._connection.fetchval, _TRY_LOCK, share.part):
                return ledger
        except BaseException:
            ledger.close()
            raise
        ledger.close()
        return None

    def close(self) -> None:
        """Give the partition up."""
        self._connection.terminate()
        self.lost.set()

    async def secret(self) -> str:
        """What the names of consumers on the stream hold that nobody else knows."""
        return str(await self._ask(self._connection.fetchval, _SECRET))

    async def digest(self, first: int, last: int) -> str:
        """See `verify.Record`."""
        return str(await self._ask(self._connection.fetchval, _DIGEST, first, last))

    async def claims(self, first: int, last: int) -> list[Claim]:
        """See `verify.Record`."""
        rows = await self._ask(self._connection.fetch, _CLAIMS, first, last)
        return [Claim(*(field.encode() for field in row)) for row in rows]

    async def page(self, after: int, limit: int) -> list[RecordedEvent]:
        """The events after a position, in order, at most `limit`."""
        return [RecordedEvent.from_row(row) for row in await self._ask(self._connection.fetch, _PAGE, after, limit)]

    async def head(self) -> int:
        """The last position of the journal."""
        return int(await self._ask(self._connection.fetchval, _HEAD))

    async def time_at(self, position: int) -> float | None:
        """When the first event from a position on was recorded, in seconds since 1970; None where there is none."""
        at = await self._ask(self._connection.fetchval, _TIME_AT, position)
        return None if at is None else float(at)

    async def snapshot(self) -> tuple[int, bytes] | None:
        """The position and the bytes that were kept last."""
        row = await self._ask(self._connection.fetchrow, _SNAPSHOT, self.share.parts, self.share.part)
        return None if row is None else (row["position"], row["data"])

    async def snapshots_of_others(self) -> list[tuple[int, bytes]]:
        """The same of all partitions of before, when there were more or fewer."""
        rows = await self._ask(self._connection.fetch, _SNAPSHOTS_OF_OTHERS, self.share.parts)
        return [(row["position"], row["data"]) for row in rows]

    async def keep(self, position: int, data: bytes, reported: int | None, state: str, reason: str) -> None:
        """Keep a snapshot and report, in one transaction."""

        async def together() -> None:
            async with self._connection.transaction():
                await self._connection.execute(_KEEP, self.share.parts, self.share.part, position, data)
                await self._connection.execute(_REPORT, self.name, reported, state, reason)
                await self._connection.execute(_DROP_OTHERS, self.share.parts)

        await self._ask(together)

    async def report(self, position: int | None, state: str, reason: str) -> None:
        """Say how far the partition is (None: as far as it said last) and how it is: a sign of life."""
        await self._ask(self._connection.execute, _REPORT, self.name, position, state, reason)

    async def forget_progress(self, names: list[str]) -> None:
        """Forget what partitions that are no more said of themselves."""
        await self._ask(self._connection.execute, _DROP_PROGRESS, names)

    async def _ask(self, ask: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
        try:
            async with self._one_at_a_time, asyncio.timeout(self._timeout):
                return await ask(*arguments)
        except TimeoutError as error:
            self.close()
            raise LedgerLost(f"Postgres did not answer within {self._timeout:g} s") from error
        except FAILURES as error:
            self.close()
            raise LedgerLost(f"Postgres: {error}") from error


async def connect(url: str, timeout: float) -> asyncpg.Connection[Any]:
    """A session that acts as the service's role. Raises LedgerLost."""
    try:
        return await asyncpg.connect(url, timeout=timeout, server_settings=_SETTINGS)
    except (*FAILURES, TimeoutError) as error:
        raise LedgerLost(f"no connection to Postgres: {str(error) or 'no answer'}") from error
    except ValueError:
        raise LedgerLost("the database URL cannot be read (is its password percent-encoded?)") from None

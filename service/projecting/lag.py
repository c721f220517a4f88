"""How far each fold of the journal is, in events and in seconds: projections, consumers, the relay and the workers."""

from __future__ import annotations

import datetime as dt

import asyncpg
import msgspec

from projections.runner import being_rebuilt
from service.journal.port import JournalUnavailable
from service.journal.postgres import close, connect
from service.journal.progress import SILENT


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """How far one fold is. `lag_seconds` is the age of the oldest event that it has not folded, 0 if there is none.

    `rebuilt` is how far the rebuild is that is under way.
    """

    name: str
    position: int
    head: int
    lag_events: int
    lag_seconds: float
    state: str
    reason: str
    seen_at: dt.datetime
    rebuilt: int | None = None


async def read_lags(url: str) -> list[Lag]:
    """All folds of this database, by name. Raises JournalUnavailable."""
    connection = await connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await connection.fetch(_FOLDS)
            rebuilding = {row["name"] for row in rows if row["rebuilt"] is not None}
            live = {name for name in rebuilding if await being_rebuilt(connection, name)}
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise JournalUnavailable(f"Postgres: {error}") from error
    finally:
        await close(connection)
    return [_lag(row, rebuilding=row["name"] in live) for row in rows]


def _lag(row: asyncpg.Record, *, rebuilding: bool) -> Lag:
    state, reason = row["state"], row["reason"]
    if row["silent"] > SILENT and state != "halted":
        state, reason = "silent", reason if state == "starting" else f"not seen for {row['silent']:.0f} s"
    return Lag(
        name=row["name"],
        position=row["position"],
        head=row["head"],
        lag_events=max(0, row["head"] - row["position"]),
        lag_seconds=round(max(0.0, row["lag_seconds"]), 3),
        state=state,
        reason=reason,
        seen_at=row["seen_at"],
        rebuilt=row["rebuilt"] if rebuilding else None,
    )


_FOLDS = """
    WITH folds AS (
        SELECT 1 AS kind, name, position, state, reason, seen_at, rebuilt FROM projection.progress
        UNION ALL
        SELECT 2, 'relay', position, state, reason, seen_at, NULL FROM journal.relay
        UNION ALL
        SELECT 3, 'worker:' || id, position, CASE WHEN halted IS NULL THEN 'running' ELSE 'halted' END,
            coalesce(halted, ''), greatest(leased_at, halted_at), NULL FROM journal.readers
        WHERE greatest(leased_at, halted_at) > clock_timestamp() - make_interval(secs => 10 * lease_seconds)
    )
    SELECT f.*, h.position AS head, extract(epoch FROM clock_timestamp() - f.seen_at)::float8 AS silent,
        coalesce(extract(epoch FROM clock_timestamp() - next.recorded_at), 0)::float8 AS lag_seconds
    FROM folds f CROSS JOIN journal.head h
    LEFT JOIN LATERAL (
        SELECT recorded_at FROM journal.events WHERE position > f.position ORDER BY position LIMIT 1
    ) next ON f.position < h.position
    ORDER BY f.kind, f.name
"""

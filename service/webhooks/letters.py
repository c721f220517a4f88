"""Events that a webhook did not take and that were given up: listed, and made to wait once more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg

from service.webhooks.vault import telling

# The planner options keep a plan of a small journal from scanning one that has grown.
INDEXED = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off"
_LETTERS = """
    SELECT d.position, e.type, e.client, e.stream::text AS stream, d.attempts, d.reason, d.died_at
    FROM webhook.dead_letters d LEFT JOIN journal.events e USING (position) WHERE d.name = $1 ORDER BY d.position
"""
_REDELIVER = """
    WITH back AS (
        DELETE FROM webhook.dead_letters d
        WHERE d.name = $1 AND ($2::bigint[] IS NULL OR d.position = ANY ($2::bigint[]))
            AND EXISTS (SELECT FROM journal.events e WHERE e.position = d.position)
        RETURNING d.position
    ), pending AS (
        INSERT INTO webhook.pending (name, position) SELECT $1, position FROM back ON CONFLICT DO NOTHING
    )
    SELECT position FROM back ORDER BY position
"""


class DeadLetter(NamedTuple):
    """One of them. Type, client and stream are None where the event is no longer in the journal."""

    position: int
    type: str | None
    client: str | None
    stream: str | None
    attempts: int
    reason: str
    died_at: dt.datetime


async def dead_letters(connection: asyncpg.Connection[Any], name: str) -> list[DeadLetter]:
    """The dead letters of a webhook, by position. Raises asyncpg's errors."""
    async with connection.transaction(readonly=True):
        await connection.execute(INDEXED)
        return [DeadLetter(**dict(row)) for row in await connection.fetch(_LETTERS, name)]


async def redeliver(connection: asyncpg.Connection[Any], name: str, positions: Sequence[int] | None) -> list[int]:
    """Let dead letters wait once more, all of them where no positions are given; returns those that do."""
    async with connection.transaction():
        await connection.execute(INDEXED)
        rows = await connection.fetch(_REDELIVER, name, None if positions is None else list(positions))
        told = telling(name)
        await connection.execute(told.statement, *told.arguments)
    return [row["position"] for row in rows]

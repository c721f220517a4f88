"""Fills a journal with facts as they are: with their positions, streams, times and sources."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from schema import events
from schema.envelope import Fact, client_of

MOMENT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
STREAM = UUID("ff000000-0000-4000-8000-000000000001")
_INSERT = """
    INSERT INTO journal.events (position, stream, version, type, client, data, actor, source, recorded_at)
    SELECT p, s, v, t, c, d::jsonb, 'test', a, r
    FROM unnest($1::bigint[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[])
        AS x (p, s, v, t, c, d, a, r)
"""
_MOVE_HEAD = "UPDATE journal.head SET position = (SELECT coalesce(max(position), 0) FROM journal.events)"
_NOTIFY = "SELECT pg_notify('tallystick_journal', position::text) FROM journal.head"


def some_facts(first: int, last: int) -> list[Fact]:
    """Facts at these positions: resources that are registered, each with a name of its own, a second apart."""
    return [
        Fact(
            position,
            STREAM,
            position,
            events.ResourceRegistered(uri=f"https://r{position}.example.com"),
            MOMENT + dt.timedelta(seconds=position),
            "192.0.2.1",
        )
        for position in range(first, last + 1)
    ]


async def commit(owner: asyncpg.Connection[Any], facts: Sequence[Fact]) -> None:
    """Commit facts in one transaction, and tell, as `journal.append` does."""
    columns: list[list[Any]] = [
        [fact.position for fact in facts],
        [fact.stream for fact in facts],
        [fact.version for fact in facts],
        [fact.event.TYPE for fact in facts],
        [client_of(fact.event) for fact in facts],
        [events.encode(fact.event).decode() for fact in facts],
        [fact.source for fact in facts],
        [fact.recorded_at for fact in facts],
    ]
    async with owner.transaction():
        await owner.execute(_INSERT, *columns)
        await owner.execute(_MOVE_HEAD)
        await owner.execute(_NOTIFY)


async def replace_journal(owner: asyncpg.Connection[Any], facts: Sequence[Fact]) -> None:
    """Make the journal hold these facts alone."""
    await owner.execute("DELETE FROM journal.events")
    await commit(owner, facts)

"""Feeds histories to the projection as the runner does: page by page, each in a transaction, as the service's role."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg

from projections.sql_projection import Link
from projections.sql_projection import fold as fold_facts
from projections.usage import usage_projection
from projections.usage.fold import TABLES
from schema.envelope import Fact
from tests.projections.runner.journals import replace_journal
from tests.servers import Database

KEPT = 7_200

Rows = dict[str, list[tuple[Any, ...]]]


@contextlib.asynccontextmanager
async def folder(database: Database) -> AsyncIterator[Link]:
    """A session as the runner has it."""
    connection: Link = await asyncpg.connect(
        database.service_url, server_settings={"role": "tallystick_app", "timezone": "UTC"}
    )
    try:
        yield connection
    finally:
        await connection.close()


async def begin(owner: asyncpg.Connection[Any], history: Sequence[Fact]) -> None:
    """A journal of this history alone, of which nothing is folded."""
    await owner.execute(";".join(f"DELETE FROM {table}" for table in TABLES))  # noqa: S608 our tables
    await owner.execute("INSERT INTO projection.progress (name) VALUES ('usage') ON CONFLICT DO NOTHING")
    await replace_journal(owner, history)


async def fold(connection: Link, pages: Sequence[Sequence[Fact]], *, slot: int = 0, kept: int = KEPT) -> None:
    """Fold these pages one after another."""
    projection = usage_projection(kept)
    for page in filter(None, pages):
        async with connection.transaction():
            await fold_facts(connection, projection, slot, page)


def cut(history: Sequence[Fact], sizes: Sequence[int]) -> list[Sequence[Fact]]:
    """A history in pages of these sizes, and the rest of it."""
    pages, begin_at = [], 0
    for size in sizes:
        pages.append(history[begin_at : begin_at + size])
        begin_at += size
    return [page for page in (*pages, history[begin_at:]) if page]


async def tables(connection: Any, slot: int = 0) -> Rows:
    """Every row of a slot but for the slot's number."""
    found: Rows = {}
    for table in TABLES:
        rows = await connection.fetch(f"SELECT * FROM {table} WHERE slot = $1", slot)  # noqa: S608 our tables
        found[table] = sorted((tuple(row)[1:] for row in rows), key=repr)
    return found


async def view(connection: Any, name: str) -> list[dict[str, Any]]:
    """The rows of a view of `usage`; times as seconds since 1970."""
    rows = await connection.fetch(f"SELECT * FROM usage.{name}")  # noqa: S608 our views
    return [{column: _plain(value) for column, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    return int(value.timestamp()) if isinstance(value, dt.datetime) else value

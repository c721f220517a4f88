"""The places that the journal's contract is tested on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from service.journal.postgres import PostgresJournal
from tests.journal.memory import MemoryJournal, MemoryStore
from tests.servers import Database


class MemoryBench:
    """Journals in memory on one store."""

    def __init__(self) -> None:
        self._store = MemoryStore()

    @asynccontextmanager
    async def open(
        self, *, deadline: float = 10.0, limit: int = 1_000, batch: int = 100
    ) -> AsyncIterator[MemoryJournal]:
        """A started journal."""
        journal = MemoryJournal(self._store, deadline=deadline, limit=limit, batch=batch)
        await journal.start()
        try:
            yield journal
        finally:
            await journal.stop()

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[MemoryHold]:
        """Close the store's gate."""
        self._store.gate.clear()
        self._store.waiting.clear()
        try:
            yield MemoryHold(self._store)
        finally:
            self._store.gate.set()


class MemoryHold:
    """A closed gate."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def reached(self) -> None:
        """Return once a commit stands before the gate."""
        await self._store.waiting.wait()


class PostgresBench:
    """Journals on one database, by a URL of the test's choice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def open(
        self, *, deadline: float = 10.0, limit: int = 1_000, batch: int = 100
    ) -> AsyncIterator[PostgresJournal]:
        """A started journal."""
        async with open_journal(self._database.service_url, deadline=deadline, limit=limit, batch=batch) as journal:
            yield journal

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[PostgresHold]:
        """Lock the head row, which every append needs."""
        async with owner_session(self._database) as owner, owner.transaction():
            await owner.execute("SELECT FROM journal.head FOR UPDATE")
            yield PostgresHold(owner)


class PostgresHold:
    """A locked head row."""

    def __init__(self, owner: asyncpg.Connection[Any]) -> None:
        self._owner = owner

    async def reached(self) -> None:
        """Return once an append waits for the row."""
        async with asyncio.timeout(60):
            # Within a transaction, which this is, Postgres shows what it saw first until it is told to look again.
            while await self._owner.execute("SELECT pg_stat_clear_snapshot()") and not await self._owner.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%journal.append%'"
                " AND datname = current_database()"
            ):
                await asyncio.sleep(0.001)


@asynccontextmanager
async def open_journal(
    url: str, *, deadline: float = 10.0, limit: int = 1_000, batch: int = 100
) -> AsyncIterator[PostgresJournal]:
    """A started journal in Postgres."""
    journal = PostgresJournal(url, deadline=deadline, limit=limit, batch=batch)
    await journal.start()
    try:
        yield journal
    finally:
        await journal.stop()


@asynccontextmanager
async def owner_session(database: Database) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A session of the role that owns everything, beside the code under test."""
    owner = await asyncpg.connect(database.owner_url)
    try:
        yield owner
    finally:
        await owner.close()

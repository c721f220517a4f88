"""A database with the tables of the counting projection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.projections.runner.counting import TABLES
from tests.servers import Database


@pytest.fixture
async def admin(database: Database) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Another one, for what a test does from within a fold."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(database.owner_url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A session of the database's owner."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(database.owner_url)
    await connection.execute(TABLES)
    try:
        yield connection
    finally:
        await connection.close()

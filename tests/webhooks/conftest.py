"""A database with webhooks, and a receiver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from tests.access.conftest import environment, home, run
from tests.journal.benches import open_journal
from tests.servers import Database, Servers, fresh_database
from tests.webhooks.receiver import Receiver, open_receiver
from tests.webhooks.world import World

__all__ = ["environment", "home", "run"]

# Whoever a test left behind is ended first, so that nobody writes into the next one's rows.
END_SESSIONS = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
WIPE = """
    DELETE FROM journal.events; DELETE FROM journal.once; DELETE FROM journal.readers;
    UPDATE journal.head SET position = 0;
    DELETE FROM projection.progress; DELETE FROM vault.webhooks;
    DELETE FROM webhook.endpoints; DELETE FROM webhook.pending; DELETE FROM webhook.dead_letters;
    UPDATE webhook.dispatcher SET position = 0, seen_at = '-infinity'
"""


@pytest.fixture(scope="module")
def shared_database(servers: Servers) -> Iterator[Database]:
    """One for all tests of a module: to make one takes longer than most of them."""
    with fresh_database(servers) as fresh:
        yield fresh


@pytest.fixture
def database(shared_database: Database) -> Iterator[Database]:
    """A database as one that was just migrated."""
    yield shared_database
    with psycopg.connect(shared_database.owner_url, autocommit=True) as owner:
        owner.execute(END_SESSIONS)
        owner.execute(WIPE)


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """The database of the test."""
    async with open_journal(database.service_url) as journal:
        yield World(journal, database.service_url)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on loopback."""
    async with open_receiver() as running:
        yield running

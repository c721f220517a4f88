"""A journal, a NATS server and relays between them, each test its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.journal.postgres import PostgresJournal
from tests.nats_server import NatsServer, nats_server
from tests.relay.support import Relays
from tests.servers import Database


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A NATS server of the test's own."""
    async with nats_server(tmp_path / "nats-home") as server:
        yield server


@pytest.fixture
async def journal(database: Database) -> AsyncIterator[PostgresJournal]:
    """An empty journal to append to."""
    running = PostgresJournal(database.service_url, deadline=10.0, limit=10_000, batch=256)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def relays(database: Database, nats: NatsServer) -> AsyncIterator[Relays]:
    """Starts relays; all are stopped at the end."""
    running = Relays(database, nats)
    yield running
    await running.stop()

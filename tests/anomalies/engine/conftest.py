"""A journal, its relay and NATS, and an engine between them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from service.journal.postgres import PostgresJournal
from tests.anomalies.engine.engines import Engines
from tests.nats_server import NatsServer
from tests.relay.conftest import journal, nats, relays
from tests.servers import Database

__all__ = ["journal", "nats", "relays"]


@pytest.fixture
async def engines(database: Database, nats: NatsServer, journal: PostgresJournal) -> AsyncIterator[Engines]:
    """Starts engines; all are stopped at the end."""
    running = Engines(database, nats.url, journal)
    yield running
    await running.stop()

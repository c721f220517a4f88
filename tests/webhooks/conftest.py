"""A database with webhooks, and a receiver."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.access.conftest import environment, home, run
from tests.journal.benches import open_journal
from tests.servers import Database
from tests.webhooks.receiver import Receiver, open_receiver
from tests.webhooks.world import World

__all__ = ["environment", "home", "run"]


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

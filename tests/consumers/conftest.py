"""A stream to subscribe to, filled as the relay fills it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.nats_server import NatsServer, nats_server


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A NATS server of the test's own."""
    async with nats_server(tmp_path / "nats-home") as server:
        yield server

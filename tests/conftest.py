"""Fixtures that every test may ask for."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from typing import Any

import hypothesis
import pytest

from service.bootstrap import open_worker
from service.endpoints.core import Core
from service.settings import Settings
from tests.servers import Database, Servers, fresh_database, running_servers

ISSUER = "https://auth.example.com"
# Several tests run at once on few cores: how long one example takes says nothing.
hypothesis.settings.register_profile(
    "tallystick", max_examples=50, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tallystick")

NEVER = 3_600
"""Seconds: a test that wants introspections recorded says when, so that no other sees an event that it did not make."""
UNLIMITED: dict[str, Any] = dict.fromkeys(("source_rate", "client_rate", "account_rate", "refusal_rate"), 0.0)
"""Settings of a worker that is asked more, and refuses more, than anybody may, except where limits are tested."""
MASTER_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Postgres and NATS for the whole run."""
    with running_servers(fsync=False) as running:
        yield running


@pytest.fixture
def database(servers: Servers) -> Iterator[Database]:
    """A migrated database of the test's own."""
    with fresh_database(servers) as fresh:
        yield fresh


@pytest.fixture
def settings(database: Database, servers: Servers) -> Settings:
    """Settings of a worker on that database."""
    return Settings(
        database_url=database.service_url,
        owner_database_url=database.owner_url,
        nats_url=servers.nats_url,
        issuer=ISSUER,
        master_key=MASTER_KEY,
        usage_interval=NEVER,
        **UNLIMITED,
    )


@pytest.fixture
async def core(settings: Settings) -> AsyncIterator[Core]:
    """One running worker, without its HTTP server."""
    async with open_worker(settings) as running:
        yield running

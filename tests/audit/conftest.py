"""A worker on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from service.bootstrap import open_worker
from service.settings import Settings
from tests.audit.world import Served, served
from tests.conftest import ISSUER, MASTER_KEY, UNLIMITED
from tests.servers import Servers, fresh_database


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Heartbeats come often."""
    return msgspec.structs.replace(settings, audit_heartbeat=0.1)


@pytest.fixture
async def worker(settings: Settings) -> AsyncIterator[Served]:
    """One worker with an access model of its own."""
    async with open_worker(settings) as core, served(core) as serving:
        await serving.world.populate()
        yield serving


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(servers: Servers) -> AsyncIterator[Served]:
    """A worker for tests that change nothing of what others see."""
    with fresh_database(servers) as database:
        settings = Settings(database_url=database.service_url, issuer=ISSUER, master_key=MASTER_KEY, **UNLIMITED)
        async with open_worker(settings) as core, served(core) as serving:
            await serving.world.populate()
            yield serving

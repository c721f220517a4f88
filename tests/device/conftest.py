"""Devices at one worker, and at two; tests share them and change nothing of each other's people."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from service.bootstrap import open_worker
from service.endpoints.core import Core
from service.settings import Settings
from tests.conftest import ISSUER, MASTER_KEY, UNLIMITED
from tests.device.world import Devices, beside, open_devices
from tests.servers import Servers, fresh_database


@pytest.fixture(scope="session")
def shared(servers: Servers) -> Iterator[Settings]:
    """Settings of the workers that the tests share."""
    with fresh_database(servers) as database:
        yield Settings(database_url=database.service_url, issuer=ISSUER, master_key=MASTER_KEY, **UNLIMITED)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def devices(shared: Settings) -> AsyncIterator[Devices]:
    """The world that tests share."""
    async with open_worker(shared) as core, open_devices(core) as world:
        yield world


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def second(devices: Devices, shared: Settings) -> AsyncIterator[Devices]:
    """The same at another worker."""
    async with open_worker(shared) as core, beside(devices, core) as other:
        yield other


@pytest.fixture
async def fresh(core: Core) -> AsyncIterator[Devices]:
    """A world of the test's own."""
    async with open_devices(core) as own:
        yield own

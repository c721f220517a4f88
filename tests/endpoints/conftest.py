"""Workers with resources and clients: one that the whole run shares, and fresh ones for tests that break them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from schema.envelope import RecordedEvent
from service.bootstrap import open_worker
from service.endpoints.core import Core
from service.grants import clock
from service.settings import Settings
from tests.conftest import ISSUER, MASTER_KEY, NEVER, UNLIMITED
from tests.endpoints.granting import Later
from tests.endpoints.reasons import documented_reasons
from tests.endpoints.world import World, open_world
from tests.servers import Servers, fresh_database


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(servers: Servers) -> AsyncIterator[World]:
    """The shared world. Tests add clients and tokens to it and change nothing of others. In the end its whole journal
    is searched for secrets, and each refusal in it is one that docs/rejections.md tells of.
    """
    with fresh_database(servers) as database:
        settings = Settings(
            database_url=database.service_url,
            issuer=ISSUER,
            master_key=MASTER_KEY,
            usage_interval=NEVER,
            **UNLIMITED,
        )
        async with open_worker(settings) as core, open_world(core) as shared:
            yield shared
            recorded = await core.journal.read(0, 1_000_000)
            shared.check_no_secret(recorded)
            check_documented(recorded)


def check_documented(recorded: list[RecordedEvent]) -> None:
    """Endpoint and public error of every refusal are those of its reason."""
    documented = documented_reasons()
    for event in recorded:
        if event.type == "access.rejected":
            data = json.loads(event.data)
            row = documented[data["reason"]]
            assert data["endpoint"] in row.endpoints, data
            assert data["error"] in row.errors, data


@pytest.fixture
async def fresh(core: Core) -> AsyncIterator[World]:
    """A world of the test's own."""
    async with open_world(core) as own:
        yield own


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Lets time pass for the grants of people."""
    passing = Later()
    monkeypatch.setattr(clock, "now", passing.now)
    return passing

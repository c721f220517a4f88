"""A worker that all tests of this folder share. They add clients and people to it and change nothing of others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest_asyncio

from service.bootstrap import open_worker
from service.settings import Settings
from tests.conftest import ISSUER, MASTER_KEY, UNLIMITED
from tests.endpoints.reasons import documented_reasons
from tests.endpoints.world import World, client_of_app, open_world
from tests.oidc.receiver import Receiver, open_receiver
from tests.oidc.world import OidcWorld
from tests.servers import Servers, fresh_database


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def oidc(servers: Servers) -> AsyncIterator[OidcWorld]:
    """The shared world. In the end its whole journal is searched for secrets, and for refusals that are not told of."""
    with fresh_database(servers) as database:
        settings = Settings(database_url=database.service_url, issuer=ISSUER, master_key=MASTER_KEY, **UNLIMITED)
        async with open_worker(settings) as core, client_of_app(core) as http:
            world = OidcWorld(core, http)
            await world.populate()
            yield world
            recorded = await core.journal.read(0, 1_000_000)
            world.check_no_secret(recorded)
            documented = documented_reasons()
            for event in recorded:
                if event.type == "access.rejected":
                    data = json.loads(event.data)
                    assert data["error"] in documented[data["reason"]].errors, data


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    """A client's back-channel logout endpoint."""
    async with open_receiver() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def fresh(settings: Settings) -> AsyncIterator[World]:
    """A world of the test's own, of clients that have tokens without a person."""
    async with open_worker(settings) as core, open_world(core) as own:
        yield own

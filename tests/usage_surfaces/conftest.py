"""A worker whose clients have used it, with all of it folded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest_asyncio

from projections.usage import usage_projection
from service.bootstrap import open_worker
from service.own_api.scopes import AUDIT_READ, USAGE_READ
from service.settings import Settings
from tests.audit.world import served
from tests.conftest import ISSUER, MASTER_KEY, UNLIMITED
from tests.projections.runner.running import at_position, running
from tests.servers import Servers, fresh_database
from tests.usage_surfaces.used import Used, make_use_of


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def used(servers: Servers) -> AsyncIterator[Used]:
    """One worker for all tests here, none of which issues anything."""
    with fresh_database(servers) as database:
        settings = Settings(database_url=database.service_url, issuer=ISSUER, master_key=MASTER_KEY, **UNLIMITED)
        async with open_worker(settings) as core, served(core) as worker:
            await worker.world.populate()
            client = await make_use_of(worker)
            tokens = {scope: await worker.token(scope) for scope in (USAGE_READ, AUDIT_READ)}
            await _fold(database.owner_url, database.service_url)
            yield Used(worker, database, client, tokens[USAGE_READ], tokens[AUDIT_READ])


async def _fold(owner_url: str, url: str) -> None:
    owner: asyncpg.Connection[Any] = await asyncpg.connect(owner_url)
    try:
        head = await owner.fetchval("SELECT position FROM journal.head")
        async with running(url, usage_projection(172_800), page=5_000):
            async with asyncio.timeout(60):
                await at_position(owner, head, "usage")
    finally:
        await owner.close()

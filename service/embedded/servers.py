"""PostgreSQL and NATS of one home, without a supervisor: for tests and tools."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from service.embedded.home import Home
from service.embedded.nats import Nats
from service.embedded.postgres import Postgres
from service.embedded.postgres_place import OUTSIDE
from service.embedded.process import Child


@dataclass(frozen=True)
class ServerUrls:
    """How to reach the servers. The URLs hold passwords, so the representation does not show them."""

    database_url: str = field(repr=False)
    owner_database_url: str = field(repr=False)
    nats_url: str = field(repr=False)
    audit_nats_url: str = field(repr=False)


@asynccontextmanager
async def embedded_servers(
    home: Path, *, say: Callable[[str], None] = lambda _: None, discard: bool = False, fsync: bool = True
) -> AsyncIterator[ServerUrls]:
    """Run PostgreSQL and NATS on `home` for the body's duration; enter it on a thread that lives as long.

    `say` is told what an operator should know. `discard` removes the home at the end, and the
    cluster if it is kept outside. Without `fsync` PostgreSQL does not wait for the disk, and a
    power cut may take everything. No migration is run. Raises EmbeddedError.
    """
    place = Home(home)
    with place.lock() as secrets:
        postgres, nats = Postgres(place, secrets, say, fsync=fsync), Nats(place, secrets, say)
        try:
            async with _running(nats), _running(postgres):
                yield ServerUrls(postgres.service_url, postgres.owner_url, nats.service_url, nats.audit_url)
        finally:
            if discard:
                shutil.rmtree(place.path, ignore_errors=True)
                shutil.rmtree(OUTSIDE / secrets.home_id, ignore_errors=True)


@asynccontextmanager
async def _running(server: Postgres | Nats) -> AsyncIterator[Child]:
    child = await server.start()
    try:
        yield child
    finally:
        await asyncio.shield(server.stop(child))

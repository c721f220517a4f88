"""A running Tallystick that the tests of the guard share, and guards of APIs of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx
import pytest_asyncio

from schema.events import ResourceRegistered
from schema.streams import resource_stream
from service.bootstrap import open_worker
from service.http.app import create_app
from service.own_api.scopes import ACCESS_REPORT, OWN_API
from service.settings import Settings
from tallystick_guard import Guard
from tests.conftest import ISSUER, MASTER_KEY, NEVER, UNLIMITED
from tests.endpoints.world import REVOKE, Party, World, fresh_party, open_world
from tests.servers import Servers, fresh_database

SCOPES = ("read:things", "write:things")


class Api(NamedTuple):
    """An API, the client that it is to Tallystick, and a client that may call it."""

    world: World
    audience: str
    party: Party
    caller: Party

    def guard(self, *, credentials: bool = True, **settings: Any) -> Guard:
        """A guard of this API, whose HTTP goes to the worker without a network."""
        known = {"client_id": self.party.client_id, "client_secret": self.party.secret} if credentials else {}
        return Guard(self.world.core.issuer, self.audience, http=http_of(self.world), **(known | settings))

    async def revoke(self, token: str, caller: Party) -> None:
        """Revoke a token, whatever else is committed at the same time."""
        answer = await self.world.http.post(REVOKE, data={"token": token}, headers=caller.basic)
        assert answer.status_code == 200

    async def token(self, **settings: Any) -> str:
        """A fresh token of the caller, or of a client of other settings."""
        caller = self.caller
        if settings:
            rights: dict[str, Any] = {"resources": (self.audience,), "scopes": SCOPES}
            caller = await self.world.worker(**(rights | settings))
        return await self.world.issue(caller)


def http_of(world: World) -> httpx.AsyncClient:
    """A client of the worker's application."""
    transport = httpx.ASGITransport(create_app(world.core))  # type: ignore[arg-type]  # two spellings of ASGI
    return httpx.AsyncClient(transport=transport)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(servers: Servers) -> AsyncIterator[World]:
    """The worker; in the end its journal is searched for secrets."""
    with fresh_database(servers) as database:
        settings = Settings(
            database_url=database.service_url,
            issuer=ISSUER,
            master_key=MASTER_KEY,
            usage_interval=NEVER,
            **UNLIMITED,
        )
        async with open_worker(settings) as core, open_world(core) as world:
            yield world
            world.check_no_secret(await core.journal.read(0, 1_000_000))


@pytest_asyncio.fixture(loop_scope="session")
async def api(shared: World) -> Api:
    """A fresh API."""
    return await new_api(shared)


async def new_api(world: World) -> Api:
    """An API that nobody else knows, with a client that introspects and reports for it, and one that calls it."""
    party = fresh_party()
    audience = f"https://{party.client_id}.example.com/things"
    described = {scope: f"May {scope}" for scope in SCOPES}
    await world.append(resource_stream(audience), 0, ResourceRegistered(uri=audience, scopes=described))
    rights: dict[str, Any] = {"grants": ("client_credentials",), "resources": (OWN_API,), "scopes": (ACCESS_REPORT,)}
    await world.register(party, introspects=(audience,), **rights)
    caller = await world.worker(resources=(audience,), scopes=SCOPES)
    return Api(world, audience, party, caller)

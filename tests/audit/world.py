"""A worker on a real socket, clients that may read its record, and readers of streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

from schema.envelope import Context
from schema.events import AnomalyAcknowledged, AuditRead, Event
from schema.streams import new_stream
from service.endpoints.core import Core
from service.grants.revoke import revoke_grant
from service.http.app import create_app
from service.http.server import listen, server_of
from service.journal.port import Append, Appended
from service.own_api.scopes import AUDIT_READ, OWN_API, USAGE_READ
from service.tokens.find import FoundToken
from tests.endpoints.world import Party, World
from tests.http_client import PLAIN

EVENTS = "/audit/events"
STREAM = {"accept": "text/event-stream"}


class Served(NamedTuple):
    """A worker that listens at `url`, and a client of it without limits of its own."""

    core: Core
    url: str
    http: httpx.AsyncClient
    world: World

    async def auditor(self, *scopes: str, **settings: Any) -> Party:
        """A fresh client that may read the record, or what the scopes say."""
        rights = {"resources": (OWN_API,), "scopes": scopes or (AUDIT_READ, USAGE_READ)}
        return await self.world.worker(**(rights | settings))

    async def token(self, scope: str = AUDIT_READ, **settings: Any) -> str:
        """A fresh client's token."""
        return await self.world.issue(await self.auditor(**settings), scope=scope)

    async def page(self, token: str, headers: Mapping[str, str] = {}, **query: Any) -> httpx.Response:
        """What a request for a page is answered."""
        return await self.http.get(EVENTS, params=query, headers=bearer(token) | dict(headers))

    async def append(self, *events: Event, source: str | None = None) -> Appended:
        """Commit events to a stream of their own."""
        return await self.core.journal.append(Append(new_stream(), 0, events, Context(source=source)))

    async def revoke(self, token: str) -> None:
        """Revoke a token's grant, and wait until every worker knows."""
        found: FoundToken = await self.core.tokens.find(token)
        position = await revoke_grant(self.core, Context(), found.grant_id, "test")
        assert position is not None
        await self.core.follower.settled(position)


class Message(NamedTuple):
    """What a stream tells: an event, or (without data) that it is alive."""

    id: int
    event: str
    data: dict[str, Any] | None


def noise(number: int) -> AuditRead:
    """An event that changes nothing."""
    return AuditRead(client_id="noise", subject="noise", via="page", after=number)


def rare(name: str) -> AnomalyAcknowledged:
    """An event of a type that these tests have no other of."""
    return AnomalyAcknowledged(rule=name)


def bearer(token: str) -> dict[str, str]:
    """The header that presents a token."""
    return {"authorization": f"Bearer {token}"}


@asynccontextmanager
async def served(core: Core) -> AsyncIterator[Served]:
    """A worker on a loopback port. Its streams end when the body does."""
    listener = listen("127.0.0.1", 0)
    server = server_of(create_app(core))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=url, timeout=20, limits=limits, verify=PLAIN) as http:
        try:
            yield Served(core, url, http, World(core, http))
        finally:
            core.audit.close()
            server.should_exit = True
            await serving


@asynccontextmanager
async def streaming(
    http: httpx.AsyncClient, token: str, headers: Mapping[str, str] = {}, **query: Any
) -> AsyncIterator[httpx.Response]:
    """A stream's response, its body still to come."""
    asked = bearer(token) | STREAM | dict(headers)
    async with http.stream("GET", EVENTS, params=query, headers=asked) as response:
        yield response


async def messages(response: httpx.Response) -> AsyncGenerator[Message, None]:
    """The messages of a stream, as a browser's EventSource would read its fields."""
    assert response.status_code == 200, await response.aread()
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields:
            data = json.loads(fields["data"]) if "data" in fields else None
            yield Message(int(fields["id"]), fields.get("event", ""), data)
            fields = {}


async def told_up_to(response: httpx.Response, position: int) -> list[Message]:
    """The messages with data up to one whose id is `position` or higher."""
    told: list[Message] = []
    async with asyncio.timeout(60):
        async for message in messages(response):
            if message.data is not None:
                told.append(message)
            if message.id >= position:
                return told
    raise AssertionError(f"the stream ended before {position}")

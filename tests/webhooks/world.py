"""A database with webhooks, events, and a dispatcher whose clock and chance are the test's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg

from consumers.webhooks.dispatcher import Dispatcher
from consumers.webhooks.endpoint import Tools
from consumers.webhooks.registry import Webhooks
from consumers.webhooks.sender import Sender
from schema.events import (
    ClientEnabled,
    Event,
    WebhookDisabled,
    WebhookEnabled,
    WebhookRegistered,
    WebhookRemoved,
    WebhookUpdated,
)
from schema.streams import client_stream, webhook_stream
from service.journal.port import Append
from service.journal.postgres import PostgresJournal, connect
from service.keys.master import load_keys
from service.settings import Settings
from service.webhooks.role import disable_gone
from service.webhooks.vault import WebhookVault
from tests.conftest import ISSUER, MASTER_KEY
from tests.webhooks.receiver import SECRET

KEY = load_keys(Settings(master_key=MASTER_KEY)).wrapping
PATIENCE = 30.0


class Clock:
    """Seconds since 1970 that pass only as the test says, on top of those that do."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        """What time it is."""
        return time.time() + self.ahead


class World:
    """What a test does to the database, and asks of it."""

    def __init__(self, journal: PostgresJournal, url: str) -> None:
        self.journal = journal
        self.url = url
        self.vault = WebhookVault(KEY)
        self.clock = Clock()
        self._versions: dict[UUID, int] = {}

    async def append(self, stream: UUID, *events: Event) -> int:
        """Append events to a stream; returns the last position."""
        version = self._versions.get(stream, 0)
        appended = await self.journal.append(Append(stream, version, events))
        self._versions[stream] = version + len(events)
        return appended.last

    async def later(self, seconds: float) -> None:
        """Time passes, and the dispatcher looks at the clock."""
        self.clock.ahead += seconds
        await self.journal.fetch("SELECT pg_notify('tallystick_journal', '')")

    async def happen(self, *clients: str) -> list[int]:
        """Something happens to each of these clients, one after the other; returns the positions."""
        return [await self.append(client_stream(each), ClientEnabled(client_id=each)) for each in clients]

    async def register(
        self, name: str, url: str, *, types: Sequence[str] = ("client.*",), clients: Sequence[str] = (), after: int = 0
    ) -> None:
        """Register a webhook, and keep its secret."""
        event = WebhookRegistered(name=name, url=url, types=tuple(types), clients=tuple(clients), after=after)
        await self.append(webhook_stream(name), event)
        await self.write(self.vault.keeping(name, SECRET))

    async def change(self, event: WebhookUpdated | WebhookDisabled | WebhookEnabled | WebhookRemoved) -> None:
        """Change a webhook."""
        self._versions[webhook_stream(event.name)] = len(await self.journal.read_stream(webhook_stream(event.name)))
        await self.append(webhook_stream(event.name), event)

    async def write(self, write: Any) -> None:
        """Change the vault."""
        await self.journal.fetch(write.statement, *write.arguments)

    async def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return [tuple(row) for row in await self.journal.fetch(query, *arguments)]

    async def pending(self, name: str = "siem") -> list[int]:
        """The positions that wait."""
        query = "SELECT position FROM webhook.pending WHERE name = $1 ORDER BY 1"
        return [row[0] for row in await self.rows(query, name)]

    async def dead(self, name: str = "siem") -> list[int]:
        """The positions of the dead letters."""
        query = "SELECT position FROM webhook.dead_letters WHERE name = $1 ORDER BY 1"
        return [row[0] for row in await self.rows(query, name)]

    async def progress(self, name: str = "siem") -> tuple[int, str, str]:
        """The position, state and reason that readiness shows."""
        query = "SELECT position, state, reason FROM projection.progress WHERE name = $1"
        rows = await self.rows(query, f"webhook:{name}")
        return rows[0] if rows else (0, "none", "")

    async def registered(self) -> Webhooks:
        """The webhooks as of now."""
        webhooks = Webhooks()
        for event in (await self.journal.read_entities())[0]:
            webhooks.apply(event.fact())
        return webhooks

    def tools(self, sender: Sender, **other: Any) -> Tools:
        """What a dispatcher needs; nothing by chance."""
        standard = Tools(
            sender=sender,
            unwrap=self.vault.unwrap,
            disable=partial(disable_gone, self.journal),
            issuer=ISSUER,
            clock=self.clock,
            jitter=lambda: 0.5,
            attempts=10,
        )
        return standard._replace(**other)

    @asynccontextmanager
    async def sending(
        self,
        *,
        timeout: float = 5.0,
        connect_by: Callable[[], Awaitable[asyncpg.Connection[Any]]] | None = None,
        **other: Any,
    ) -> AsyncIterator[asyncio.Task[None]]:
        """A running dispatcher, as its task."""
        sender = Sender(timeout=timeout, private=True)
        dispatcher = Dispatcher(connect_by or partial(connect, self.url), self.tools(sender, **other), standby=0.05)
        task = asyncio.create_task(dispatcher.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await sender.close()


async def until(holds: Callable[[], bool | Awaitable[bool]], patience: float = PATIENCE) -> None:
    """Return once something holds; fail where it never does."""
    deadline = time.monotonic() + patience
    while True:
        now = holds()
        if now if isinstance(now, bool) else await now:
            return
        assert time.monotonic() < deadline, "it never held"
        await asyncio.sleep(0.01)

"""What the tests of the relay share: appending, relays that run, and looking at what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg
import msgspec

from consumers.connection import Connection, connected
from consumers.stream_reader import StreamReader
from schema.envelope import STREAM_NAME
from schema.events import TokenIssued, TokenRevoked
from schema.streams import new_stream
from service.journal.check import Report, check
from service.journal.leader import Leader
from service.journal.port import Append, Appended
from service.journal.postgres import PostgresJournal
from service.journal.relay import Pace, Relay, no_chores
from service.journal.stream import Stream
from tests.nats_server import NatsServer
from tests.servers import Database

ISSUER = "https://auth.example.com"
BRISK = Pace(check=0.2, report=0.1, retry=0.05, chores=60.0)
NEVER = Pace(check=3_600.0, report=3_600.0, retry=0.05, chores=3_600.0)

ISSUED = TokenIssued(
    number=1,
    client_id="billing-worker",
    subject="billing-worker",
    audience="https://api.example.com",
    scope="read:users",
    issued_at=1,
    expires_at=2,
    grant_type="client_credentials",
    auth_method="client_secret_basic",
    format="jwt",
    user_agent="Grüße/1.0 ☂",
)
REVOKED = TokenRevoked(number=1, client_id="billing-worker", reason="caller")


async def append(journal: PostgresJournal, grants: int) -> Appended:
    """Commit two events for each of so many new grants; returns what the last one got."""
    requests = [Append(new_stream(), 0, (ISSUED, REVOKED)) for _ in range(grants)]
    appended = await asyncio.gather(*(journal.append(request) for request in requests))
    return max(appended, key=lambda each: each.last)


async def until(holds: Callable[[], Awaitable[bool]] | Callable[[], bool], within: float = 60.0) -> None:
    """Return once the condition holds; fails if it never does."""
    deadline = time.monotonic() + within
    while True:
        answer = holds()
        if (await answer) if isinstance(answer, Awaitable) else answer:
            return
        assert time.monotonic() < deadline, "the condition never came to hold"
        await asyncio.sleep(0.01)


class Relays:
    """Starts relays between one database and one NATS server."""

    def __init__(self, database: Database, nats: NatsServer) -> None:
        self._database = database
        self._nats = nats
        self._tasks: list[asyncio.Task[None]] = []

    def start(
        self,
        *,
        leader: type[Leader] = Leader,
        stream: type[Stream] = Stream,
        chores: Callable[[], Awaitable[None]] = no_chores,
        pace: Pace = BRISK,
        timeout: float = 5.0,
    ) -> Relay:
        """A relay that runs; `timeout` is in seconds."""
        relay = Relay(
            partial(leader.elect, self._database.service_url, timeout=timeout, standby=0.02),
            partial(stream.connect, self._nats.url, timeout),
            issuer=ISSUER,
            chores=chores,
            pace=pace,
        )
        self._tasks.append(asyncio.create_task(relay.run()))
        return relay

    async def stop(self) -> None:
        """Stop all; fails if one died of a mistake."""
        for task in self._tasks:
            task.cancel()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        died = [each for each in outcomes if not isinstance(each, asyncio.CancelledError)]
        assert died == [], died

    async def stop_one(self, number: int) -> None:
        """Stop the relay that was started as the one of this number, from 0."""
        task = self._tasks.pop(number)
        task.cancel()
        await asyncio.wait([task])

    async def whole(self) -> Report:
        """Compare journal and stream, with patience for a relay at work."""
        return await check(self._database.service_url, self._nats.url, patience=15.0)

    async def whole_now(self) -> Report:
        """Compare journal and stream, with little patience."""
        return await check(self._database.service_url, self._nats.url, patience=0.2)

    async def sequences(self) -> list[int]:
        """The sequences that the stream holds."""
        reader = StreamReader(self._nats.url, None, follow=False)
        async with contextlib.aclosing(reader.messages()) as messages:
            return [message.sequence async for message in messages]

    async def api(self, call: str, body: object = None) -> dict[str, Any]:
        """A JetStream API request, such as `STREAM.DELETE`, about the stream. Returns its answer."""
        async with self.connection() as connection:
            answer = await connection.request(f"$JS.API.{call}.{STREAM_NAME}", body)
            return dict(msgspec.json.decode(answer.data))

    async def publish(self, subject: str, data: bytes) -> None:
        """Publish as an intruder does."""
        async with self.connection() as connection:
            await connection.client.request(subject, data, timeout=5)

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection with all rights."""
        async with connected(self._nats.url, "test") as connection:
            yield connection

    async def sql(self, query: str, *arguments: object) -> list[Any]:
        """Run a query as the owner of the schema."""
        connection = await asyncpg.connect(self._database.owner_url)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    async def reported(self) -> tuple[int, str, str]:
        """What readiness sees of the relay: position, state, reason."""
        row = (await self.sql("SELECT position, state, reason FROM journal.relay"))[0]
        return row["position"], row["state"], row["reason"]

"""One durable event for each call: group commits in PostgreSQL, then NATS."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import msgspec
import nats
from nats.aio.client import Client

_TABLE = """
CREATE TABLE events (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream uuid NOT NULL, version integer NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(), data jsonb NOT NULL, UNIQUE (stream, version)
)
"""
_INSERT = "INSERT INTO events (stream, version, data) SELECT * FROM unnest($1::uuid[], $2::integer[], $3::jsonb[])"
_SUBJECT = "events"
_ENCODE = msgspec.json.Encoder().encode


class Journal:
    """While one commit is under way the next events gather."""

    def __init__(self, connection: asyncpg.Connection[Any], client: Client) -> None:
        self._connection = connection
        self._client = client
        self._waiting: list[tuple[Any, int, bytes, asyncio.Future[None]]] = []
        self._committing = False
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, database_url: str, nats_url: str) -> Journal:
        """With a table and a stream of its own."""
        connection = await asyncpg.connect(database_url, server_settings={"synchronous_commit": "on"})
        await connection.execute(_TABLE)
        client = await nats.connect(nats_url)
        await client.jetstream().add_stream(name="FLOOR", subjects=[_SUBJECT])
        return cls(connection, client)

    async def append(self, stream: Any, version: int, event: Any) -> None:
        """Return once the event is durable."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((stream, version, _ENCODE(event), done))
        if not self._committing:
            self._committing = True
            task = asyncio.create_task(self._commit())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await done

    async def _commit(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            streams, versions, data, waiting = zip(*batch, strict=True)
            await self._connection.execute(_INSERT, streams, versions, [each.decode() for each in data])
            for done in waiting:
                done.set_result(None)
            for each in data:
                await self._client.publish(_SUBJECT, each)
        self._committing = False

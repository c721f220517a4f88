"""Runners that a test starts and stops, and what it waits for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg

from projections.runner import Pace, Runner, SqlProjection
from projections.sql_projection import Link

QUICK = Pace(linger=0.01, report=0.05, retry=0.02, standby=0.02)
_LONGEST = 30.0


@contextlib.asynccontextmanager
async def running(url: str, *projections: SqlProjection, page: int = 100) -> AsyncIterator[asyncio.Task[None]]:
    """A runner, for the length of a block."""
    task = asyncio.create_task(Runner(url, projections, page=page, pace=QUICK).run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return when something holds."""
    async with asyncio.timeout(_LONGEST):
        while not await holds():
            await asyncio.sleep(0.01)


async def terminate(admin: asyncpg.Connection[Any], connection: Link) -> None:
    """End another session, as an administrator does."""
    await admin.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())


async def progress_of(owner: asyncpg.Connection[Any], name: str = "counting") -> dict[str, Any]:
    """The projection's row, empty if there is none."""
    row = await owner.fetchrow("SELECT * FROM projection.progress WHERE name = $1", name)
    return dict(row) if row else {}


async def at_position(owner: asyncpg.Connection[Any], position: int, name: str = "counting") -> None:
    """Return when the checkpoint is there."""

    async def there() -> bool:
        return (await progress_of(owner, name)).get("position") == position

    await until(there)


async def in_state(owner: asyncpg.Connection[Any], state: str, name: str = "counting") -> dict[str, Any]:
    """The row, once it says so."""

    async def there() -> bool:
        return (await progress_of(owner, name)).get("state") == state

    await until(there)
    return await progress_of(owner, name)

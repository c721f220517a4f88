"""Where a webhook begins, whoever makes its row first: the command that adds it, or the dispatcher that heard of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from consumers.webhooks import statements
from consumers.webhooks.session import Loaded, Report, Session
from service.journal.postgres import connect
from service.webhooks.store import BEGIN as BEGIN_OF_COMMAND
from tests.journal.benches import owner_session
from tests.servers import Database
from tests.webhooks.world import World, until

URL = "https://hooks.example.com/"
STEPS = ("SINCE", "FORGET", "REMEMBER", "BEGIN", "CURSOR", "BURY_LOST")


class Interrupted:
    """A connection where something happens right before a statement is asked for the first time."""

    def __init__(
        self, connection: asyncpg.Connection[Any], statement: str, happen: Callable[[], Awaitable[Any]]
    ) -> None:
        self._connection = connection
        self._statement: str | None = statement
        self._happen = happen

    def __getattr__(self, name: str) -> Any:
        """Everything else is the connection's."""
        return getattr(self._connection, name)

    async def execute(self, statement: str, *arguments: object) -> Any:
        """The same, after what happens."""
        await self._before(statement)
        return await self._connection.execute(statement, *arguments)

    async def fetchval(self, statement: str, *arguments: object) -> Any:
        """The same, after what happens."""
        await self._before(statement)
        return await self._connection.fetchval(statement, *arguments)

    async def _before(self, statement: str) -> None:
        if statement == self._statement:
            self._statement = None
            await self._happen()


async def loaded(world: World, connection: Any) -> Loaded:
    """What a dispatcher that just heard of the webhook begins with."""
    webhook = (await world.registered()).by_name["siem"]
    return await Session(connection, timeout=30.0).load(webhook, 10)


@asynccontextmanager
async def two_sessions(world: World) -> AsyncIterator[tuple[asyncpg.Connection[Any], asyncpg.Connection[Any]]]:
    """The dispatcher's, and the command's."""
    dispatcher, command = await connect(world.url), await connect(world.url)
    try:
        yield dispatcher, command
    finally:
        dispatcher.terminate()
        command.terminate()


@pytest.fixture
async def begun(world: World) -> int:
    """A webhook that begins now, in a journal with a past; where that is."""
    now = (await world.happen("a", "b", "c"))[-1]
    await world.register("siem", URL, after=now)
    return now


@pytest.mark.parametrize("step", STEPS)
async def test_the_command_makes_its_row_at_any_moment(world: World, begun: int, step: str) -> None:
    """Before, between or after the dispatcher's statements: the webhook begins where it was registered to."""
    async with two_sessions(world) as (dispatcher, command):

        async def add() -> None:
            # Not awaited to its end where the dispatcher holds the row: it then waits for the dispatcher.
            adding.append(asyncio.create_task(command.execute(BEGIN_OF_COMMAND, "webhook:siem")))
            await asyncio.wait(adding, timeout=None if step in STEPS[:4] else 0.01)

        adding: list[asyncio.Task[str]] = []
        found = await loaded(world, Interrupted(dispatcher, getattr(statements, step), add))
        await asyncio.gather(*adding)
        assert (begun, 1, begun) == (found.cursor, len(adding), (await world.progress())[0])


async def test_the_dispatcher_makes_its_row_first(world: World, begun: int) -> None:
    """The command that comes later changes nothing."""
    async with two_sessions(world) as (dispatcher, command):
        found = await loaded(world, dispatcher)
        await command.execute(BEGIN_OF_COMMAND, "webhook:siem")
        assert (begun, begun) == (found.cursor, (await world.progress())[0])


async def test_both_make_it_at_once(world: World, begun: int, database: Database) -> None:
    """The dispatcher waits for the command's row that is not committed yet, and puts its place into it."""
    async with two_sessions(world) as (dispatcher, command), owner_session(database) as owner:
        adding = command.transaction()
        await adding.start()
        await command.execute(BEGIN_OF_COMMAND, "webhook:siem")
        loading = asyncio.create_task(loaded(world, dispatcher))
        await until(lambda: _waits(owner, dispatcher))
        await adding.commit()
        assert (begun, begun) == ((await loading).cursor, (await world.progress())[0])


async def test_what_it_has_read_is_kept_by_the_next_dispatcher(world: World, begun: int) -> None:
    """A row that is this registration's own is where to go on, not where it began."""
    async with two_sessions(world) as (dispatcher, _):
        await loaded(world, dispatcher)
        await dispatcher.execute("UPDATE projection.progress SET position = $1", begun + 1)
        assert begun + 1 == (await loaded(world, dispatcher)).cursor


async def test_what_is_told_late_does_not_go_back(world: World, begun: int) -> None:
    """How a webhook was before it took in events, told only then: the next dispatcher takes none of them in twice."""
    async with two_sessions(world) as (connection, _):
        session = Session(connection, timeout=30.0)
        await loaded(world, connection)
        (position,) = await world.happen("a")
        webhook = (await world.registered()).by_name["siem"]
        await session.take("siem", await session.read(webhook, begun, position, 10), position, 0.0)
        await session.report([Report("siem", "running", "", begun), Report("other", "running", "", 1)], position)
        assert (position, "running", "") == await world.progress()
        await session.report([Report("siem", "running", "", position + 7)], position)
        await session.report([Report("siem", "degraded", "HTTP 500", None)], position)
        assert (position + 7, "degraded", "HTTP 500") == await world.progress()


async def _waits(owner: asyncpg.Connection[Any], dispatcher: asyncpg.Connection[Any]) -> bool:
    query = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"
    return bool(await owner.fetchval(query, dispatcher.get_server_pid()))

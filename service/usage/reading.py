"""Asks the database for figures, and how far they reach: both of one moment, within a deadline."""

from __future__ import annotations

import asyncio
import datetime as dt
from contextlib import ExitStack
from typing import Any, NamedTuple

import asyncpg

from service.journal.port import JournalTimeout, JournalUnavailable
from service.journal.postgres import close, connect
from service.usage.figures import Question, query_of

_AT_ONCE = 2
_REACH = """
    SELECT p.position, h.position AS head, e.recorded_at AS through, clock_timestamp() AS now
    FROM journal.head h LEFT JOIN projection.progress p ON p.name = 'usage'
    LEFT JOIN journal.events e ON e.position = p.position
"""
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


class Figures(NamedTuple):
    """An answer. The figures hold all events up to `position` of `head`, which is to say up to the time `through`.

    `truncated` where there are more rows than were asked for. `through` is None while nothing is folded.
    """

    question: Question
    rows: list[tuple[Any, ...]]
    truncated: bool
    position: int
    head: int
    through: dt.datetime | None


class UsageReader:
    """Reads figures at `url` on sessions of its own, so that they never stand in the way of tokens."""

    def __init__(self, url: str, deadline: float = 30.0) -> None:
        self._url = url
        self._deadline = deadline
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def place(self) -> ExitStack:
        """A place among the few that read at once; it is held until the stack is closed. Raises JournalTimeout."""
        try:
            async with asyncio.timeout(self._deadline):
                await self._places.acquire()
        except TimeoutError as error:
            raise JournalTimeout("no place among those who read figures came free within the deadline") from error
        place = ExitStack()
        place.callback(self._places.release)
        return place

    async def read(self, question: Question) -> Figures:
        """The figures that a question asks for. Raises JournalUnavailable."""
        try:
            async with asyncio.timeout(self._deadline):
                connection = await connect(self._url)
                try:
                    return await self._ask(connection, question)
                finally:
                    await close(connection)
        except TimeoutError as error:
            raise JournalTimeout("the figures were not there within the deadline") from error
        except asyncpg.QueryCanceledError as error:
            raise JournalTimeout("Postgres gave the query up") from error
        except _FAILURES as error:
            raise JournalUnavailable(f"Postgres: {error}") from error

    async def _ask(self, connection: asyncpg.Connection[Any], question: Question) -> Figures:
        query, arguments = query_of(question)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(f"SET LOCAL statement_timeout = {int(self._deadline * 1_000)}")
            (reach,) = await connection.fetch(_REACH)
            rows = await connection.fetch(query, *arguments)
        position, through = reach["position"] or 0, reach["through"]
        return Figures(
            question,
            [tuple(row) for row in rows[: question.limit]],
            len(rows) > question.limit,
            position,
            reach["head"],
            reach["now"] if position and position == reach["head"] else through,
        )

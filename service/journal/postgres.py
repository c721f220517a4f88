"""The journal in Postgres: `journal.events`, appended to by the SQL function `journal.append` only.

One connection appends, in group commits; a small pool reads. Every connection acts as the role `tallystick_app`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from uuid import UUID

import asyncpg

from schema.envelope import RECORDED_COLUMNS, Fact, RecordedEvent
from schema.streams import ENTITY_STREAMS_FROM
from service.journal.append_batch import arrays_of, outcomes_of
from service.journal.group_commit import GroupCommit, Outcome
from service.journal.port import Append, Appended, JournalTimeout, JournalUnavailable
from service.journal.streams import StreamReads

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

log = logging.getLogger(__name__)

APP_ROLE = "tallystick_app"

APPEND = "SELECT * FROM journal.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
_READ = f"SELECT {RECORDED_COLUMNS} FROM journal.events WHERE position > $1 ORDER BY position LIMIT $2"  # noqa: S608 constant
_READ_STREAMS = f"SELECT {RECORDED_COLUMNS} FROM journal.events WHERE stream = ANY($1) ORDER BY stream, version"  # noqa: S608 constant
_READ_ENTITIES = f"""
    SELECT {RECORDED_COLUMNS} FROM journal.events
    WHERE stream >= $1 AND position > $2 AND position <= $3 AND type <> ALL ($4)
    ORDER BY position LIMIT $5
"""  # noqa: S608 constant
_HEAD = "SELECT position FROM journal.head"

_BAD_URL = "the database URL cannot be read (is its password percent-encoded?)"
"""Never with the parser's own words: they quote parts of the URL, which holds a password."""

_NO_ANSWER = "Postgres did not answer within the deadline"
_POLITE = 2.0
_PAGE = 5_000
_CONNECTION_FAILURES = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    OSError,
)

T = TypeVar("T")
Link: TypeAlias = "asyncpg.Connection[Any] | PoolConnectionProxy[Any]"
OnCommitted = Callable[[Sequence[Fact]], None]


async def connect(url: str, timeout: float = 10.0) -> asyncpg.Connection[Any]:
    """A connection that acts as the service's role. Raises JournalUnavailable."""
    try:
        return await asyncpg.connect(url, timeout=timeout, server_settings=session_settings())
    except (*_CONNECTION_FAILURES, asyncpg.PostgresError, TimeoutError) as error:
        raise JournalUnavailable(f"no connection to Postgres: {str(error) or 'no answer'}") from error
    except ValueError:
        raise JournalUnavailable(_BAD_URL) from None


async def close(link: asyncpg.Connection[Any] | asyncpg.Pool[Any] | None) -> None:
    """Close a connection or pool politely, or cut it off where Postgres does not answer."""
    if link is None:
        return
    try:
        async with asyncio.timeout(_POLITE):
            await link.close()
    except (*_CONNECTION_FAILURES, asyncpg.PostgresError, TimeoutError):
        link.terminate()


def session_settings() -> dict[str, str]:
    """What every session of the service begins with."""
    return {"role": APP_ROLE, "application_name": "tallystick", "timezone": "UTC", "synchronous_commit": "on"}


class PostgresJournal:
    """Implements `service.journal.port.Journal`.

    `on_committed` is called with the facts of each commit, in position order, before any of its callers is answered;
    `on_commit` with the number of requests of a commit and the seconds it took. `deadline` is in seconds; `limit` and
    `batch` count requests.
    """

    def __init__(
        self,
        url: str,
        *,
        deadline: float,
        limit: int,
        batch: int,
        on_committed: OnCommitted = lambda _: None,
        on_commit: Callable[[int, float], None] = lambda _, __: None,
    ) -> None:
        self._url = url
        self.deadline = deadline
        self._on_committed = on_committed
        self._on_commit = on_commit
        self._connection: asyncpg.Connection[Any] | None = None
        self._append: Any = None
        self._pool: asyncpg.Pool[Any] | None = None
        self._streams = StreamReads(self._read_streams)
        self._group = GroupCommit(self._commit, limit=limit, batch=batch, deadline=deadline)

    @property
    def queue_depth(self) -> int:
        """How many appends wait or are in flight."""
        return self._group.depth

    @property
    def backend_pid(self) -> int | None:
        """The server process of the appending connection: whose notifications are our own."""
        return self._connection.get_server_pid() if self._connection else None

    async def start(self) -> None:
        """Connect. Raises JournalUnavailable."""
        try:
            self._pool = await asyncpg.create_pool(
                self._url, min_size=1, max_size=4, timeout=10, reset=keep_session, server_settings=session_settings()
            )
        except (*_CONNECTION_FAILURES, asyncpg.PostgresError, TimeoutError) as error:
            raise JournalUnavailable(f"no connection to Postgres: {str(error) or 'no answer'}") from error
        except ValueError:
            raise JournalUnavailable(_BAD_URL) from None
        try:
            await self._connected()
        except asyncpg.PostgresError as error:
            raise JournalUnavailable(f"the database is not of this version: {error}; see tallystick migrate") from error
        self._group.start()

    async def stop(self) -> None:
        """Commit what waits, then disconnect."""
        await self._group.stop()
        await close(self._connection)
        await close(self._pool)

    async def append(self, request: Append) -> Appended:
        """See the port."""
        return await self._group.submit(request)

    async def append_with(self, request: Append, statement: str, *arguments: object) -> Appended:
        """Append, and change what is kept beside the journal, such as the vault, by a statement.

        It is written before the events are committed, so that what cannot be written keeps them from being, and takes
        effect after them, never without them. Raises as `append` does; after JournalUnavailable the events may be there
        and the change not.
        """

        async def both(connection: Link) -> Appended:
            async with connection.transaction():
                await connection.execute(statement, *arguments)
                return await self.append(request)

        return await self._reading(both)

    async def transaction(self, work: Callable[[Link], Awaitable[T]]) -> T:
        """What a function makes of a connection, in one transaction within the deadline. Raises JournalUnavailable."""

        async def within(connection: Link) -> T:
            async with connection.transaction():
                return await work(connection)

        return await self._reading(within)

    async def read(self, after: int, limit: int) -> list[RecordedEvent]:
        """See the port."""
        return [RecordedEvent.from_row(row) for row in await self.fetch(_READ, after, limit)]

    async def read_stream(self, stream: UUID) -> list[RecordedEvent]:
        """See the port."""
        try:
            async with asyncio.timeout(self.deadline):
                return await self._streams.read(stream)
        except TimeoutError as error:
            raise JournalTimeout(_NO_ANSWER) from error

    async def _read_streams(self, streams: list[UUID]) -> list[RecordedEvent]:
        return [RecordedEvent.from_row(row) for row in await self.fetch(_READ_STREAMS, streams)]

    async def read_entities(self, without: Collection[str] = ()) -> tuple[list[RecordedEvent], int]:
        """See the port; events of the types `without` are left out. Each page has the deadline for itself, however many
        there are; the pages are of one moment, because all up to the head is committed.
        """
        head, recorded = await self.head(), list[RecordedEvent]()
        after, types = 0, list(without)
        while page := await self.fetch(_READ_ENTITIES, ENTITY_STREAMS_FROM, after, head, types, _PAGE):
            recorded += map(RecordedEvent.from_row, page)
            after = recorded[-1].position
        return recorded, head

    async def head(self) -> int:
        """See the port."""
        return int((await self.fetch(_HEAD))[0]["position"])

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        """Rows of a query on the reading pool, within the deadline. Raises JournalUnavailable."""
        return await self._reading(lambda connection: connection.fetch(query, *arguments))

    async def _reading(self, work: Callable[[Link], Awaitable[T]]) -> T:
        pool = self._pool
        if pool is None:
            raise JournalUnavailable("the journal is not started")
        try:
            async with asyncio.timeout(self.deadline), pool.acquire() as connection:
                return await cut_off_if_cancelled(connection, work)
        except TimeoutError as error:
            raise JournalTimeout(_NO_ANSWER) from error
        except (*_CONNECTION_FAILURES, asyncpg.PostgresError) as error:
            raise JournalUnavailable(f"Postgres: {error}") from error

    async def _commit(self, requests: Sequence[Append]) -> Sequence[Outcome]:
        try:
            return await self._commit_together(requests)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, UnicodeEncodeError) as error:
            if len(requests) == 1:
                log.error("Postgres refused an event of type %s: %s", _types(requests[0]), error)  # noqa: TRY400
                return [JournalUnavailable("Postgres refused the event")]
            # One request made Postgres refuse the whole batch: each gets a commit of its own, and only that one fails.
            return [(await self._commit([request]))[0] for request in requests]

    async def _commit_together(self, requests: Sequence[Append]) -> Sequence[Outcome]:
        began = time.perf_counter()
        try:
            await self._connected()
            row = await self._append.fetchrow(*arrays_of(requests), timeout=max(10.0, 5 * self.deadline))
        except (*_CONNECTION_FAILURES, TimeoutError) as error:
            self._disconnect()
            raise JournalUnavailable(f"the commit was not acknowledged: {error}") from error
        except asyncpg.PostgresError as error:
            if isinstance(error, (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)):
                raise
            log.exception("Postgres refused a commit")
            self._disconnect()
            raise JournalUnavailable("Postgres refused the commit") from error
        outcomes, facts = outcomes_of(requests, row)
        self._on_committed(facts)
        self._on_commit(len(requests), time.perf_counter() - began)
        return outcomes

    async def _connected(self) -> None:
        if self._connection is None or self._connection.is_closed():
            connection = await connect(self._url)
            try:
                self._append = await connection.prepare(APPEND)
            except BaseException:
                connection.terminate()
                raise
            self._connection = connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


async def cut_off_if_cancelled(connection: Link, work: Callable[[Link], Awaitable[T]]) -> T:
    """Run a query; if it is given up, cut the connection off: to wait until a silent server takes note would be no
    bound.
    """
    try:
        return await work(connection)
    except asyncio.CancelledError:
        connection.terminate()
        raise


async def keep_session(_: asyncpg.Connection[Any]) -> None:
    """Readers change nothing in their session, so there is nothing to reset and a round trip is saved."""


def _types(request: Append) -> str:
    return ", ".join(event.TYPE for event in request.events)

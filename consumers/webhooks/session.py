"""The Postgres session of the one dispatcher that sends: it holds the leader's lock, and all is written through it.

So a dispatcher that lost its lock can write nothing any more, whatever it still does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple

import asyncpg

from consumers.webhooks import statements
from consumers.webhooks.registry import Webhook
from consumers.webhooks.waiting import Waiting
from schema.envelope import RecordedEvent

Connect = Callable[[], Awaitable["asyncpg.Connection[Any]"]]

# asyncpg answers with an InternalClientError when the server has said that it ends the session.
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


class SessionLost(Exception):
    """Postgres cannot be had; nothing is known of what was asked last."""


class Secrets(NamedTuple):
    """The wrapped secrets of a webhook; the one before signs too until `previous_expire_at`, seconds since 1970."""

    wrapped: bytes
    previous: bytes | None
    previous_expire_at: int | None


class Loaded(NamedTuple):
    """Where a webhook was left: the last position taken in, what waits (not all of it, if `more`), its secrets."""

    cursor: int
    waiting: list[Waiting]
    more: bool
    secrets: Secrets | None


class Settled(NamedTuple):
    """What became of some attempts: taken, to be tried again, given up."""

    taken: Sequence[Waiting] = ()
    failed: Sequence[Waiting] = ()
    dead: Sequence[Waiting] = ()


class Report(NamedTuple):
    """How a webhook is. Without a position, that stays as it is."""

    name: str
    state: str
    reason: str
    position: int | None = None


class Session:
    """Leadership, as long as it lives; a query that fails or takes longer than `timeout` seconds ends it."""

    def __init__(self, connection: asyncpg.Connection[Any], timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._one_at_a_time = asyncio.Lock()
        self.grown = asyncio.Event()
        self.touched: set[str] = set()
        connection.add_termination_listener(lambda *_: self.grown.set())

    @classmethod
    async def elect(cls, connect: Connect, *, timeout: float = 5.0, standby: float = 0.5) -> Session:
        """Wait until no other dispatcher leads, asking every `standby` seconds. Raises SessionLost."""
        try:
            session = cls(await connect(), timeout)
        except _FAILURES as error:
            raise SessionLost(str(error)) from error
        try:
            await session._ask(session._connection.execute, statements.session(int(timeout * 1_000)))
            while not await session._ask(session._connection.fetchval, statements.TRY_LOCK):
                await asyncio.sleep(standby)
            await session._ask(session._connection.add_listener, "tallystick_journal", session._journal_grew)
            channel = await session._ask(session._connection.fetchval, statements.CHANNEL)
            await session._ask(session._connection.add_listener, channel, session._changed)
        except BaseException:
            session.close()
            raise
        return session

    def close(self) -> None:
        """Give the leadership up."""
        self._connection.terminate()

    async def head(self) -> int:
        """The last position of the journal. Raises SessionLost, as all do."""
        return int(await self._ask(self._connection.fetchval, statements.HEAD))

    async def registrations(self, after: int, upto: int) -> list[RecordedEvent]:
        """The events of webhooks themselves, after a position, up to another."""
        rows = await self._ask(self._connection.fetch, statements.REGISTRATIONS, after, upto)
        return [RecordedEvent.from_row(row) for row in rows]

    async def read(self, webhook: Webhook, after: int, upto: int, limit: int) -> list[RecordedEvent]:
        """The events after a position, up to another, that a webhook wants: the first `limit` of them."""
        types = [_like(glob) for glob in webhook.types] or None
        wanted = (types, list(webhook.clients) or None)
        rows = await self._ask(self._connection.fetch, statements.READ, after, upto, *wanted, limit)
        return [RecordedEvent.from_row(row) for row in rows]

    async def load(self, webhook: Webhook, limit: int) -> Loaded:
        """Where a webhook was left. One that is new, or has the name of one that was removed, starts afresh."""
        loaded: Loaded = await self._together(lambda: self._load(webhook, limit))
        return loaded

    async def take(self, name: str, events: Sequence[RecordedEvent], upto: int, now: float) -> None:
        """Everything up to a position is taken in: `events` wait, the others are not for it."""
        positions = [event.position for event in events]
        await self._ask(self._connection.execute, statements.TAKE, _progress(name), name, upto, positions, now)

    async def settle(self, name: str, settled: Settled, now: float) -> None:
        """Write down what became of some attempts."""
        await self._together(lambda: self._settle(name, settled, now))

    async def report(self, reports: Sequence[Report], acted: int) -> None:
        """Say how the webhooks are, and up to which position all changes of them are acted upon."""
        columns = zip(*((_progress(each.name), *each[1:]) for each in reports), strict=True) if reports else ((),) * 4
        await self._ask(self._connection.execute, statements.REPORT, *map(list, columns), acted)

    async def forget(self, name: str) -> None:
        """Forget a webhook that is removed."""
        await self._ask(self._connection.execute, statements.FORGET, name, _progress(name))

    async def forget_others(self, names: Iterable[str]) -> None:
        """Forget all webhooks but these."""
        await self._ask(self._connection.execute, statements.FORGET_OTHERS, list(names))

    async def _load(self, webhook: Webhook, limit: int) -> Loaded:
        connection, name = self._connection, webhook.name
        since = await connection.fetchval(statements.SINCE, name)
        if since != webhook.since:
            await connection.execute(statements.FORGET, name, _progress(name))
            await connection.execute(statements.REMEMBER, name, webhook.since)
            await connection.execute(statements.BEGIN, _progress(name), webhook.after)
        cursor = await connection.fetchval(statements.CURSOR, _progress(name), webhook.after)
        await connection.execute(statements.BURY_LOST, name)
        rows = await connection.fetch(statements.WAITING, name, limit + 1)
        kept = await connection.fetchrow(statements.SECRETS, name)
        waiting = [_waiting(row) for row in rows[:limit]]
        return Loaded(cursor, waiting, len(rows) > limit, None if kept is None else Secrets(**dict(kept)))

    async def _settle(self, name: str, settled: Settled, now: float) -> None:
        execute = self._connection.execute
        if settled.taken:
            await execute(statements.TAKEN, name, [each.position for each in settled.taken], now)
        if settled.failed:
            rows = [(each.position, each.attempts, each.due, each.error) for each in settled.failed]
            await execute(statements.FAILED, name, *map(list, zip(*rows, strict=True)))
        if settled.dead:
            dead = [(each.position, each.attempts, each.error) for each in settled.dead]
            await execute(statements.DEAD, name, *map(list, zip(*dead, strict=True)))

    async def _together(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def within() -> Any:
            async with self._connection.transaction():
                return await work()

        return await self._ask(within)

    async def _ask(self, ask: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
        try:
            async with self._one_at_a_time:
                return await self._in_time(ask, *arguments)
        except TimeoutError as error:
            self.close()
            raise SessionLost(f"Postgres did not answer within {self._timeout:g} s") from error
        except _FAILURES as error:
            self.close()
            raise SessionLost(f"Postgres: {error}") from error

    async def _in_time(self, ask: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
        """One question. It goes on when its asker is stopped: to break it off would end the session for all."""
        asking = asyncio.ensure_future(ask(*arguments))
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.shield(asking)
        except asyncio.CancelledError:
            await asyncio.wait({asking}, timeout=self._timeout)
            raise
        finally:
            if not asking.done():
                self.close()
                asking.cancel()

    def _journal_grew(self, *_: object) -> None:
        self.grown.set()

    def _changed(self, _: object, __: int, ___: str, name: object) -> None:
        self.touched.add(str(name))
        self.grown.set()


def _progress(name: str) -> str:
    return f"webhook:{name}"


def _like(glob: str) -> str:
    """A shell glob of event types as a pattern of LIKE."""
    return glob.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%").replace("?", "_")


def _waiting(row: Any) -> Waiting:
    kept = dict(row)
    own = {name: kept.pop(name) for name in ("since", "attempts", "due", "error")}
    # A dispatcher that starts knows nothing against the endpoint: what failed before it is tried at once.
    return Waiting(event=RecordedEvent(**kept), early=True, **own)

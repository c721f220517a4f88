"""How what lives long is changed: read it, decide, append, and wait until every worker acts on the change.

Changes are made one at a time, under a lock in the database, because what one change may do depends on several streams:
a client may have a scope only while its resource has it, an account a role only while there is one. Expected versions
guard each stream all the same.
"""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any, Protocol

import asyncpg
import msgspec

from schema.envelope import Context, Fact
from schema.events import UnknownEventType
from service.access.errors import AccessError, Interrupted, ModelUnavailable
from service.access.plan import Applied, Step
from service.journal.barrier import Barrier
from service.journal.port import Append, JournalError, VersionConflict
from service.journal.postgres import PostgresJournal, connect
from service.keys.master import DerivedKeys, MasterKeyError, load_keys
from service.settings import Settings

_LOCK = "SELECT pg_advisory_lock(hashtext('tallystick.access'))"
_LOCK_SECONDS = 30.0
_DEADLINE = 10.0
_ATTEMPTS = 2
_QUEUE = 16


class Fold(Protocol):
    """A projection of long-lived streams."""

    def apply(self, fact: Fact) -> None:
        """Fold one event."""


class Changes:
    """Changes to the long-lived streams of a database, made by `actor`: without one, by who runs this command."""

    def __init__(self, url: str, journal: PostgresJournal, actor: str | None = None) -> None:
        self._url = url
        self._journal = journal
        self._actor = actor
        self._barrier = Barrier(journal.fetch)

    async def read(self, *folds: Fold, without: Collection[str] = ()) -> None:
        """Bring new folds to now; events of the types `without` change nothing in them. Raises ModelUnavailable."""
        try:
            recorded, _ = await self._journal.read_entities(without)
        except (JournalError, asyncpg.PostgresError) as error:
            raise ModelUnavailable(str(error)) from error
        for event in recorded:
            try:
                fact = event.fact()
                for fold in folds:
                    fold.apply(fact)
            except (UnknownEventType, msgspec.DecodeError, KeyError) as error:
                raise ModelUnavailable(f"event {event.position} ({event.type}) cannot be read: {error}") from error

    @asynccontextmanager
    async def alone(self, applied: Applied) -> AsyncIterator[asyncpg.Connection[Any]]:
        """For one change: the body makes it and notes in `applied` what is done; then every worker acts on it.

        Gives the connection that holds the lock. Raises what the body raises, or ModelUnavailable; Interrupted once
        something may be done.
        """
        try:
            async with self._locked() as connection:
                yield connection
            if applied.steps:
                await self._barrier.wait(applied.position)
        except (JournalError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Interrupted(f"{error}; run it again: what is done is not done twice", applied) from error
        except AccessError as error:
            if applied.steps and not isinstance(error, Interrupted):
                raise Interrupted(str(error), applied) from error
            raise
        except asyncio.CancelledError:
            if applied.secrets:
                raise Interrupted("stopped before every worker was known to act on it", applied) from None
            raise

    async def decided(self, attempt: Callable[[], Awaitable[None]], applied: Applied) -> None:
        """Read, decide and append by `attempt`; once more when another change came in between. Raises Interrupted."""
        for _ in range(_ATTEMPTS):
            try:
                await attempt()
            except VersionConflict:
                continue
            return
        raise Interrupted("the access model was changed by others at the same time; run it again", applied)

    async def append(self, step: Step) -> int:
        """Append the events of a step; returns the position of the last. Raises JournalError."""
        request = Append(step.stream, step.expected_version, step.events, Context(actor=self._actor or cli_actor()))
        return (await self._journal.append(request)).last

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        connection = await self._lock()
        try:
            yield connection
        finally:
            connection.terminate()

    async def _lock(self) -> asyncpg.Connection[Any]:
        """A connection that holds the lock for as long as it lives."""
        connection = None
        try:
            connection = await connect(self._url)
            await connection.execute(_LOCK, timeout=_LOCK_SECONDS)
        except (JournalError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            if connection is not None:
                connection.terminate()
            reason = "another change is under way; try again" if isinstance(error, TimeoutError) else str(error)
            raise ModelUnavailable(reason) from error
        return connection


@asynccontextmanager
async def open_changes(url: str) -> AsyncIterator[Changes]:
    """Changes to the database at `url`, for the body's duration. Raises ModelUnavailable."""
    journal = PostgresJournal(url, deadline=_DEADLINE, limit=_QUEUE, batch=_QUEUE)
    try:
        try:
            await journal.start()
        except JournalError as error:
            raise ModelUnavailable(f"{error} (is the database migrated? see: tallystick migrate)") from error
        except asyncpg.PostgresError as error:
            raise ModelUnavailable(f"the database is not of this version: {error}; see: tallystick migrate") from error
        yield Changes(url, journal)
    finally:
        await journal.stop()


def derived_keys(settings: Settings, *, create: bool = False) -> DerivedKeys:
    """The keys of each use; `create` makes the master key of a new home. Raises ModelUnavailable."""
    try:
        return load_keys(settings, create=create)
    except MasterKeyError as error:
        raise ModelUnavailable(str(error)) from error


def cli_actor() -> str:
    """Who runs this command, as events name them."""
    try:
        return f"cli:{pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:
        return f"cli:uid-{os.geteuid()}"

"""Sessions of the runner in Postgres, and which of their failures pass.

RunnerError
├── DatabaseUnavailable   Postgres is away or refuses for a while: connect again, go on from the checkpoint
├── Moved                 the checkpoint is not where it was left: read it again
├── Poison                an event cannot be folded: halt there
├── NewerVersion          a newer version of this program has folded the projection: leave it alone
└── AlreadyRebuilding     another process rebuilds it
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from projections.sql_projection import Link

POSTGRES_ROLE = "tallystick_app"

# A leader whose machine has gone is found out within seconds, and one that is suspended within half a minute: the
# server ends the session and gives its lock to another. The checkpoint is committed with what it stands for: a commit
# that a crash of the server takes back is folded again: nothing needs to wait for the disk.
_WRITER = {
    "tcp_keepalives_idle": "4",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "idle_session_timeout": "30s",
    "idle_in_transaction_session_timeout": "30s",
    "synchronous_commit": "off",
}
# A plan that was made while the journal was small is kept by the session: it would go on scanning one that has grown.
_READER = {"enable_seqscan": "off", "enable_bitmapscan": "off"}
_SECONDS = 60.0

_PASSING = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


class RunnerError(Exception):
    """Base of what can keep a projection from being folded."""


class DatabaseUnavailable(RunnerError):
    """Postgres does not answer, or refuses for a while."""


class Moved(RunnerError):
    """The checkpoint is not where this runner left it."""


class NewerVersion(RunnerError):
    """The projection was folded by a newer version of this program."""


class AlreadyRebuilding(RunnerError):
    """Another process rebuilds the projection."""


class Poison(RunnerError):
    """The event at `position` cannot be folded."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(f"event {position} cannot be folded: {why}")
        self.position = position


@contextlib.asynccontextmanager
async def writing(url: str) -> AsyncIterator[Link]:
    """A session that folds and holds locks, cut off at the end. Raises DatabaseUnavailable."""
    async with _opened(url, _WRITER) as connection:
        yield connection


@contextlib.asynccontextmanager
async def reading(url: str) -> AsyncIterator[Link]:
    """A session that reads the journal, cut off at the end. Raises DatabaseUnavailable."""
    async with _opened(url, _READER) as connection:
        yield connection


@contextlib.asynccontextmanager
async def _opened(url: str, options: dict[str, str]) -> AsyncIterator[Link]:
    session = {"role": POSTGRES_ROLE, "application_name": "tallystick-project", "timezone": "UTC", **options}
    try:
        connection: Link = await asyncpg.connect(url, timeout=10, command_timeout=_SECONDS, server_settings=session)
    except _FAILURES as error:
        raise DatabaseUnavailable(f"no connection to Postgres: {str(error) or 'no answer'}") from error
    except ValueError:  # never with the parser's own words: they quote parts of the URL, which holds a password
        raise DatabaseUnavailable("the database URL cannot be read (is its password percent-encoded?)") from None
    try:
        yield connection
    except _FAILURES as error:
        raise DatabaseUnavailable(f"Postgres: {str(error) or 'no answer'}") from error
    finally:
        connection.terminate()


def passes(error: Exception, connection: Link) -> bool:
    """Whether a failure says something of the database for now, and nothing of the event that was folded."""
    return connection.is_closed() or isinstance(error, _PASSING)


async def lock(connection: Link, kind: str, name: str) -> bool:
    """Take a lock of a projection for as long as the session lives; False while another session has it."""
    return bool(await connection.fetchval(_LOCK, f"tallystick.{kind}", name))


async def unlock(connection: Link, kind: str, name: str) -> None:
    """Give a lock up that the session holds."""
    await connection.execute(_UNLOCK, f"tallystick.{kind}", name)


async def locked(connection: Any, kind: str, name: str) -> bool:
    """Whether any session holds a lock of a projection."""
    return bool(await connection.fetchval(_LOCKED, f"tallystick.{kind}", name))


# Asked again and again rather than waited for: a statement that waits for days holds back vacuum for as long.
_LOCK = "SELECT pg_try_advisory_lock(hashtext($1), hashtext($2))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtext($1), hashtext($2))"
_LOCKED = """
    SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (classid::bigint, objid::bigint) = (hashtext($1)::bigint & 4294967295, hashtext($2)::bigint & 4294967295))
"""

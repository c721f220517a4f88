"""Bring the database to this version: the plain SQL files of `schema/migrations`, run by yoyo.

Each file runs in a transaction of its own, under yoyo's lock, and is recorded with its hash.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from yoyo import exceptions, get_backend, read_migrations
from yoyo.backends.base import DatabaseBackend
from yoyo.migrations import MigrationList


class MigrationError(Exception):
    """The database could not be brought to this version. The message says why."""


def migrate(owner_url: str) -> list[str]:
    """Apply the migrations that are missing; returns their ids, in order.

    `owner_url` is a postgresql:// URL of the role that owns the schema.
    Raises MigrationError, also when the database is of a newer version than this program.
    """
    with _explained(owner_url), psycopg.connect(owner_url, autocommit=True) as guard:
        # yoyo's own lock is a row that a killed process leaves behind; this one goes with its session.
        guard.execute("SELECT pg_advisory_lock(hashtext('tallystick.migrate'))")
        with _backend(owner_url) as backend:
            missing = backend.to_apply(_known())
            _refuse_newer(guard)
            backend.apply_migrations(missing)
            return [migration.id for migration in missing]


def missing_migrations(owner_url: str) -> list[str]:
    """The ids of migrations that the database lacks. Raises MigrationError."""
    with _explained(owner_url), psycopg.connect(owner_url, autocommit=True) as connection:
        applied = _applied(connection)
        _refuse_newer(connection)
        return [migration.id for migration in _known() if migration.id not in applied]


def _known() -> MigrationList:
    return read_migrations(str(resources.files("schema") / "migrations"))


def _backend(owner_url: str) -> DatabaseBackend:
    parts = urlsplit(owner_url)
    return get_backend(urlunsplit(("postgresql+psycopg", *parts[1:])))


def _applied(connection: psycopg.Connection[tuple[str]]) -> set[str]:
    if not connection.execute("SELECT FROM pg_tables WHERE tablename = '_yoyo_migration'").fetchall():
        return set()
    return {row[0] for row in connection.execute("SELECT migration_id FROM _yoyo_migration")}


def _refuse_newer(connection: psycopg.Connection[tuple[str]]) -> None:
    newer = sorted(_applied(connection) - {migration.id for migration in _known()})
    if newer:
        raise MigrationError(f"the database is of a newer version: it has {', '.join(newer)}, unknown to this program")


@contextmanager
def _explained(owner_url: str) -> Iterator[None]:
    try:
        conninfo_to_dict(owner_url)
    except psycopg.Error:  # its words quote the URL, which holds a password
        raise MigrationError("the database URL cannot be read (is its password percent-encoded?)") from None
    try:
        yield
    except (psycopg.Error, exceptions.LockTimeout, exceptions.BadMigration) as error:
        raise MigrationError(str(error).strip()) from error

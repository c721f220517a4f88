import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql
from yoyo import read_migrations

from service.journal import migrate as migrations
from service.journal.migrate import MigrationError, migrate, missing_migrations
from tests.journal.benches import open_journal
from tests.journal.contract import request
from tests.servers import Database, Servers

FILES = sorted(path.stem for path in (Path(__file__).parents[2] / "schema" / "migrations").glob("*.sql"))


@pytest.fixture
def empty(servers: Servers) -> Iterator[str]:
    """The owner's URL of a database without a schema."""
    name = f"test_empty_{os.getpid()}_{time.monotonic_ns()}"
    with psycopg.connect(servers.owner_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(servers.owner_url)._replace(path=f"/{name}"))
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def head_of(url: str) -> int:
    """The head of a migrated database."""
    with psycopg.connect(url) as session:
        row = session.execute("SELECT position FROM journal.head").fetchone()
    assert row is not None
    return int(row[0])


def test_an_empty_database_gets_everything_in_order(empty: str) -> None:
    """The first run applies every file in order; before it all are missing, after it none."""
    assert missing_migrations(empty) == FILES
    assert migrate(empty) == FILES
    assert missing_migrations(empty) == []
    assert head_of(empty) == 0


def test_a_second_run_does_nothing(database: Database) -> None:
    """A database of this version stays as it is."""
    assert missing_migrations(database.owner_url) == []
    assert migrate(database.owner_url) == []


def test_two_runs_at_once(empty: str) -> None:
    """Of runs that meet in the middle one applies the files, the others wait and find nothing to do."""
    with psycopg.connect(empty, autocommit=True) as holder, ThreadPoolExecutor() as threads:
        holder.execute("SELECT pg_advisory_lock(hashtext('tallystick.partitions'))")
        runs = [threads.submit(migrate, empty) for _ in range(3)]
        try:
            wait_until_waiting(holder, "%", 3)
        finally:
            holder.execute("SELECT pg_advisory_unlock_all()")
        done = sorted((run.result() for run in runs), key=len)
    assert done == [[], [], FILES]


def test_a_newer_database_is_refused(database: Database) -> None:
    """A database with a migration that this program does not know is left alone, and its name is told."""
    with psycopg.connect(database.owner_url) as session:
        session.execute(
            "INSERT INTO _yoyo_migration (migration_hash, migration_id) VALUES ('x', '9999-from-the-future')"
        )
    for ask in (migrate, missing_migrations):
        with pytest.raises(MigrationError, match=r"newer version.*9999-from-the-future"):
            ask(database.owner_url)


def test_a_newer_database_is_refused_before_anything_is_applied(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where both sides have files that the other lacks, nothing is applied."""
    with psycopg.connect(database.owner_url) as session:
        session.execute("DELETE FROM _yoyo_migration WHERE migration_id LIKE '0003%'")
        session.execute("INSERT INTO _yoyo_migration (migration_hash, migration_id) VALUES ('x', '9999-future')")
        session.execute("DROP SCHEMA vault CASCADE")
    with pytest.raises(MigrationError):
        migrate(database.owner_url)
    with psycopg.connect(database.owner_url) as session:
        assert session.execute("SELECT FROM pg_namespace WHERE nspname = 'vault'").fetchall() == []


def test_no_database_is_told(empty: str) -> None:
    """A server that is not there is told as such."""
    nowhere = urlunsplit(urlsplit(empty)._replace(path="/no_such_database"))
    for ask in (migrate, missing_migrations):
        with pytest.raises(MigrationError, match="no_such_database"):
            ask(nowhere)


def test_killed_in_the_middle(empty: str) -> None:
    """A run that is killed inside a file leaves nothing of that file; the next run completes it."""
    with psycopg.connect(empty, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(hashtext('tallystick.partitions'))")
        code = f"from service.journal.migrate import migrate; migrate({empty!r})"
        with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2]) as run:
            wait_until_waiting(holder, "%ensure_partitions%", 1)
            run.send_signal(signal.SIGKILL)
        assert applied(holder) == ["0001-journal"]
        holder.execute("SELECT pg_advisory_unlock_all()")
        assert migrate(empty) == FILES[1:]
        functions = "SELECT FROM pg_proc WHERE proname = 'ensure_partitions'"
        assert len(holder.execute(functions.encode()).fetchall()) == 1
    assert head_of(empty) == 0


def test_a_file_that_fails_leaves_nothing(empty: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file whose last statement fails leaves none of its others, and the message is Postgres's own."""
    (tmp_path / "0001-broken.sql").write_text("-- depends:\nCREATE TABLE half (x int);\nSELECT 1/0;\n")
    monkeypatch.setattr(migrations, "_known", lambda: read_migrations(str(tmp_path)))
    with pytest.raises(MigrationError, match="division by zero"):
        migrate(empty)
    with psycopg.connect(empty) as session:
        assert session.execute("SELECT FROM pg_tables WHERE tablename = 'half'").fetchall() == []
        assert applied(session) == []


async def test_appends_go_on_while_a_migrated_database_is_migrated(database: Database) -> None:
    """A run on a database of this version stands in nobody's way."""
    async with open_journal(database.service_url) as journal:
        again = asyncio.gather(*(asyncio.to_thread(migrate, database.owner_url) for _ in range(2)))
        while not again.done():
            await journal.append(request())
        assert await again == [[], []]


def applied(session: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    """The ids of the migrations that a database says it has."""
    rows = session.execute("SELECT migration_id FROM _yoyo_migration ORDER BY 1").fetchall()
    return [str(row[0]) for row in rows]


def wait_until_waiting(session: psycopg.Connection[tuple[object, ...]], query: str, sessions: int) -> None:
    """Return once so many sessions of this database wait for an advisory lock in a query like this."""
    waiting = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND wait_event = 'advisory' AND query LIKE %s"
    )
    deadline = time.monotonic() + 20
    while len(session.execute(waiting, (query,)).fetchall()) < sessions:
        assert time.monotonic() < deadline, "the migrations never came so far"
        time.sleep(0.01)


_LEFT = """
    SELECT has_function_privilege('tallystick_analyst', 'pg_advisory_lock(bigint)', 'EXECUTE'),
           has_database_privilege('tallystick_analyst', current_database(), 'TEMPORARY'),
           has_function_privilege('tallystick_app', 'pg_advisory_lock(bigint)', 'EXECUTE')
"""


def test_a_superuser_takes_from_logins_what_they_do_not_need(empty: str) -> None:
    """After the migration an analyst has neither locks nor temporary tables; the service has its locks."""
    migrate(empty)
    with psycopg.connect(empty) as session:
        assert session.execute(_LEFT).fetchone() == (False, False, True)


def test_an_owner_that_is_no_superuser_is_warned_and_not_refused(empty: str) -> None:
    """Where the functions of PostgreSQL are somebody else's, what can be taken is taken, and the rest goes on."""
    name = urlsplit(empty).path.removeprefix("/")
    role = sql.Identifier(f"owner_of_{name}")
    parts = urlsplit(empty)
    url = urlunsplit(parts._replace(netloc=f"owner_of_{name}:secret@{parts.netloc.rpartition('@')[2]}"))
    with psycopg.connect(empty, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'secret'").format(role))
        try:
            admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(name), role))
            assert migrate(url) == FILES
            assert admin.execute(_LEFT).fetchone() == (True, False, True)
        finally:
            admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(sql.Identifier(name)))
            admin.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(role))
            admin.execute(sql.SQL("DROP OWNED BY {}").format(role))
            admin.execute(sql.SQL("DROP ROLE {}").format(role))

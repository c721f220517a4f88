"""The embedded PostgreSQL: one cluster, reached by a unix socket only, with a password for every role.

Start: leftovers of a killed run end; the cluster is made beside its place and renamed into it; the server starts; the
roles of the service and of analysts and the database are made if they are missing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from service.embedded.errors import EmbeddedError
from service.embedded.files import LogFile, space_hint, told
from service.embedded.home import Home, Secrets
from service.embedded.postgres_cluster import DISK_FULL, ensure_cluster, telling_line
from service.embedded.postgres_place import Place, find_place
from service.embedded.postgres_status import end_orphans, is_ready, postmaster_pid, serves
from service.embedded.process import Child, capture, describe_exit, spawn, stop_stranger, wait_until

OWNER = "tallystick_owner"
SERVICE = "tallystick_service"
ANALYST = "tallystick_analyst_login"
DATABASE = "tallystick"

START_LIMIT = 600.0
START_PATIENCE = 10.0
STOP_STEPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))
"""Fast shutdown (sessions are ended, a checkpoint is written), then immediate shutdown (recovers at the next start)."""

SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "jit": "off",
    "shared_preload_libraries": "",
    "password_encryption": "scram-sha-256",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] %q%u ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "lc_messages": "C",
    "unix_socket_permissions": "0700",
}

ANALYST_SESSIONS = 10
ANALYST_SETTINGS = {
    "default_transaction_read_only": "on",
    "statement_timeout": "5min",
    "idle_in_transaction_session_timeout": "5min",
    "temp_file_limit": "1GB",
}
"""What the analyst's login begins with. It may change the first three for its session: they guard against mistakes."""


class Postgres:
    """The server of one home. The methods raise EmbeddedError with PostgreSQL's own words in it."""

    name = "postgres"
    stop_rank = 3

    def __init__(self, home: Home, secrets: Secrets, say: Callable[[str], None], *, fsync: bool = True) -> None:
        self._home = home
        self._fsync = fsync
        self._secrets = secrets
        self._say = say
        self._place: Place | None = None
        self._compression = ""
        self.log = LogFile(home.log_dir / "postgres.log")

    @property
    def owner_url(self) -> str:
        """The URL of the role that owns everything. Usable once started."""
        return self._url(OWNER, self._secrets.postgres_owner)

    @property
    def service_url(self) -> str:
        """The URL of the role that the service runs as. Usable once started."""
        return self._url(SERVICE, self._secrets.postgres_service)

    @property
    def analyst_url(self) -> str:
        """The URL of the role that reads the usage figures and nothing else. Usable once started."""
        return self._url(ANALYST, self._secrets.postgres_analyst)

    async def start(self) -> Child:
        """Start the server (the first time: make the cluster), and return once it takes connections."""
        place = await self._prepared()
        await self._stop_leftovers(place)
        child = await self._launch(place)
        try:
            await self._until_ready(child, place)
        except BaseException:
            await self.stop(child)
            raise
        return child

    async def stop(self, child: Child) -> None:
        """Stop the server and wait for its processes to be gone."""
        await child.stop(STOP_STEPS)
        if self._place is not None:
            await end_orphans(self._place.data)
            self._place.remove_socket_dir()

    def last_words(self) -> str:
        """What its log says of a full disk or a panic since it was started; else empty."""
        return telling_line(self.log.since_start(), (*DISK_FULL, "PANIC:"))

    async def _prepared(self) -> Place:
        if self._place is not None:
            return self._place
        with self._explained():
            place = find_place(self._home, self._secrets.home_id, self._say)
            await ensure_cluster(place, OWNER, self._secrets.postgres_owner)
            self._compression = await _best_compression(place)
        self._place = place
        return place

    async def _stop_leftovers(self, place: Place) -> None:
        """End what a killed run left: a live server of this cluster, and sessions whose server was killed."""
        pid = postmaster_pid(place.data)
        if pid is not None and serves(pid, place.data):
            self._say(f"stopping the PostgreSQL that a killed run left (pid {pid})")
            await stop_stranger(pid, lambda: serves(pid, place.data), STOP_STEPS)
        await end_orphans(place.data)

    async def _launch(self, place: Place) -> Child:
        settings = {
            **SETTINGS,
            "fsync": "on" if self._fsync else "off",
            "wal_compression": self._compression,
            "unix_socket_directories": _listed(place.socket_dir),
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        with self._explained():
            place.make_socket_dir()
            output = self.log.open("PostgreSQL starts")
            try:
                return await spawn(place.command("postgres", "-D", str(place.data), *options, output=output))
            finally:
                os.close(output)

    async def _until_ready(self, child: Child, place: Place) -> None:
        def decided() -> bool:
            return child.ended or is_ready(place.data, child.pid)

        if not await wait_until(decided, START_PATIENCE):
            self._say("PostgreSQL is still starting: it may have much to recover")
            await wait_until(decided, START_LIMIT)
        if child.ended:
            code = describe_exit(await child.wait())
            reason = telling_line(self.log.since_start()) or code
            raise EmbeddedError(f"PostgreSQL did not start: {reason}{space_hint(place.data)} (see {self.log.path})")
        if not decided():
            raise EmbeddedError(f"PostgreSQL was not ready within {START_LIMIT:.0f} s (see {self.log.path})")
        await self._make_role_and_database()

    async def _make_role_and_database(self) -> None:
        """Idempotent, so that a first start that was killed in the middle is completed by the next."""
        try:
            maintenance = self._url(OWNER, self._secrets.postgres_owner, "postgres")
            async with await psycopg.AsyncConnection.connect(
                maintenance, autocommit=True, connect_timeout=30
            ) as connection:
                await _make_role(connection, SERVICE, self._secrets.postgres_service)
                await _make_role(connection, ANALYST, self._secrets.postgres_analyst)
                await _limit_analyst(connection)
                await _make_database(connection)
        except psycopg.Error as error:
            raise EmbeddedError(f"PostgreSQL refuses its owner: {str(error).strip()} (see {self.log.path})") from error

    def _url(self, role: str, password: str, database: str = DATABASE) -> str:
        if self._place is None:
            raise EmbeddedError("PostgreSQL has no URL before it was started")
        return f"postgresql://{role}:{password}@/{database}?host={quote(str(self._place.socket_dir), safe='')}"

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise told(self._home.postgres_link, error) from error


async def _make_role(connection: psycopg.AsyncConnection, role: str, password: str) -> None:
    found = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
    if found.rowcount == 0:
        encrypted = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
        await connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(encrypted))
        )


async def _limit_analyst(connection: psycopg.AsyncConnection) -> None:
    """At each start, so that a login that an earlier version made is limited too."""
    role = sql.Identifier(ANALYST)
    await connection.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(role, sql.Literal(ANALYST_SESSIONS)))
    for name, value in ANALYST_SETTINGS.items():
        await connection.execute(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(name), sql.Literal(value))
        )


async def _make_database(connection: psycopg.AsyncConnection) -> None:
    found = await connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
    if found.rowcount == 0:
        await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


async def _best_compression(place: Place) -> str:
    _, configured = await capture(place.command("pg_config", "--configure"))
    return "lz4" if "--with-lz4" in configured else "on"


def _listed(directory: Path) -> str:
    """One member of PostgreSQL's comma-separated list of directories."""
    return '"' + str(directory).replace('"', '""') + '"'

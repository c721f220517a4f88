"""The embedded PostgreSQL: one cluster, reached by a unix socket only, with a password for every role.

Start: leftovers of a killed run end; the cluster is made beside its place and renamed into it; the server starts; the
service's role and the database are made if they are missing.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from service.embedded.errors import EmbeddedError
from service.embedded.files import LogFile, space_hint, sync_dir, told
from service.embedded.home import Home, Secrets
from service.embedded.postgres_place import MAJOR, Place, find_place
from service.embedded.process import (
    Child,
    Command,
    arguments_of,
    capture,
    describe_exit,
    spawn,
    stop_stranger,
    wait_until,
)

OWNER = "tallystick_owner"
SERVICE = "tallystick_service"
DATABASE = "tallystick"

DISK_FULL = ("No space left", "wrote only")

START_LIMIT = 120.0
ORPHAN_LIMIT = 20.0
REMOVAL_LIMIT = 10.0
STOP_STEPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))
"""Fast shutdown (sessions are ended, a checkpoint is written), then immediate shutdown (recovers at the next start)."""

SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "fsync": "on",
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


class Postgres:
    """The server of one home. The methods raise EmbeddedError with PostgreSQL's own words in it."""

    name = "postgres"
    stop_rank = 3

    def __init__(self, home: Home, secrets: Secrets, say: Callable[[str], None]) -> None:
        self._home = home
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
            await _end_orphans(self._place.data)
            self._place.remove_socket_dir()

    def last_words(self) -> str:
        """What its log says of a full disk or a panic since it was started; else empty."""
        return _telling_line(self.log.since_start(), (*DISK_FULL, "PANIC:"))

    async def _prepared(self) -> Place:
        if self._place is not None:
            return self._place
        with self._explained():
            place = find_place(self._home, self._secrets.home_id, self._say)
            await _remove_unfinished(place.data)
            if _cluster_exists(place.data):
                _check_usable(place)
            else:
                await self._make_cluster(place)
            self._compression = await _best_compression(place)
        self._place = place
        return place

    async def _make_cluster(self, place: Place) -> None:
        """Make the cluster beside its place, and rename it when it is whole."""
        work = Path(tempfile.mkdtemp(prefix=f"{place.data.name}.new-", dir=place.data.parent))
        try:
            place.account.own(work)
            await self._initdb(place, work)
            if place.data.exists():
                place.data.rmdir()
            (work / "data").rename(place.data)
            sync_dir(place.data.parent)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    async def _initdb(self, place: Place, work: Path) -> None:
        password_file = work / "password"
        password_file.write_text(self._secrets.postgres_owner)
        password_file.chmod(0o600)
        place.account.own(password_file)
        options = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions")
        files = (f"--pwfile={password_file}", "-D", str(work / "data"))
        argv = (place.program("initdb"), "-U", OWNER, *options, *files)
        code, output = await capture(self._command(place, argv))
        if code != 0:
            hint = space_hint(place.data.parent)
            raise EmbeddedError(f"PostgreSQL could not make its files in {place.data}: {_telling_line(output)}{hint}")

    async def _stop_leftovers(self, place: Place) -> None:
        """End what a killed run left: a live server of this cluster, and sessions whose server was killed."""
        pid = _postmaster_pid(place.data)
        if pid is not None and _serves(pid, place.data):
            self._say(f"stopping the PostgreSQL that a killed run left (pid {pid})")
            await stop_stranger(pid, lambda: _serves(pid, place.data), STOP_STEPS)
        await _end_orphans(place.data)

    async def _launch(self, place: Place) -> Child:
        settings = {
            **SETTINGS,
            "wal_compression": self._compression,
            "unix_socket_directories": _listed(place.socket_dir),
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        argv = (place.program("postgres"), "-D", str(place.data), *options)
        with self._explained():
            place.make_socket_dir()
            output = self.log.open("PostgreSQL starts")
            try:
                return await spawn(self._command(place, argv, output))
            finally:
                os.close(output)

    async def _until_ready(self, child: Child, place: Place) -> None:
        ready = await wait_until(lambda: child.ended or _is_ready(place.data, child.pid), START_LIMIT)
        if child.ended:
            code = describe_exit(await child.wait())
            reason = _telling_line(self.log.since_start()) or code
            raise EmbeddedError(f"PostgreSQL did not start: {reason}{space_hint(place.data)} (see {self.log.path})")
        if not ready:
            raise EmbeddedError(f"PostgreSQL was not ready within {START_LIMIT:.0f} s (see {self.log.path})")
        await self._make_role_and_database()

    async def _make_role_and_database(self) -> None:
        """Idempotent, so that a first start that was killed in the middle is completed by the next."""
        try:
            maintenance = self._url(OWNER, self._secrets.postgres_owner, "postgres")
            async with await psycopg.AsyncConnection.connect(
                maintenance, autocommit=True, connect_timeout=30
            ) as connection:
                await _make_role(connection, self._secrets.postgres_service)
                await _make_database(connection)
        except psycopg.Error as error:
            raise EmbeddedError(f"PostgreSQL refuses its owner: {str(error).strip()} (see {self.log.path})") from error

    def _command(self, place: Place, argv: tuple[str, ...], output: int | None = None) -> Command:
        env = {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C"}
        return Command(
            name=self.name, argv=argv, death_signal=signal.SIGINT, user=place.user, env=env, cwd="/", output=output
        )

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


async def _make_role(connection: psycopg.AsyncConnection, password: str) -> None:
    found = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [SERVICE])
    if found.rowcount == 0:
        encrypted = connection.pgconn.encrypt_password(password.encode(), SERVICE.encode(), b"scram-sha-256").decode()
        await connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(SERVICE), sql.Literal(encrypted))
        )


async def _make_database(connection: psycopg.AsyncConnection) -> None:
    found = await connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
    if found.rowcount == 0:
        await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def _cluster_exists(data: Path) -> bool:
    if (data / "PG_VERSION").is_file():
        return True
    if data.exists() and any(data.iterdir()):
        raise EmbeddedError(
            f"{data} is broken: it has files but no PG_VERSION; restore it from a backup, or move it away"
        )
    return False


def _check_usable(place: Place) -> None:
    data = place.data
    major = (data / "PG_VERSION").read_text(encoding="utf-8", errors="replace").strip()
    if major != MAJOR:
        raise EmbeddedError(
            f"{data} holds data of PostgreSQL {major or '(unknown)'}, and this version of Tallystick brings PostgreSQL "
            f"{MAJOR}; upgrade the data by pg_dump and restore, or run the version of Tallystick that made it"
        )
    owner = data.stat().st_uid
    if owner != place.account.uid:
        raise EmbeddedError(
            f"{data} belongs to user id {owner}, and PostgreSQL runs as user id {place.account.uid}; "
            f"if it is a restored backup: chown -R {place.account.uid}:{place.account.gid} {shlex.quote(str(data))}"
        )


async def _remove_unfinished(data: Path) -> None:
    """Remove what an interrupted first start left, also while its initdb is still ending and removes files itself."""

    def remove() -> bool:
        left = list(data.parent.glob(f"{data.name}.new-*"))
        for unfinished in left:
            shutil.rmtree(unfinished, ignore_errors=True)
        return not left

    if not await wait_until(remove, REMOVAL_LIMIT):
        raise EmbeddedError(f"the unfinished {data}.new-… of an earlier start cannot be removed")


async def _best_compression(place: Place) -> str:
    _, configured = await capture(Command(name="pg_config", argv=(place.program("pg_config"), "--configure")))
    return "lz4" if "--with-lz4" in configured else "on"


def _listed(directory: Path) -> str:
    """One member of PostgreSQL's comma-separated list of directories."""
    return '"' + str(directory).replace('"', '""') + '"'


def _postmaster_lines(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _postmaster_pid(data: Path) -> int | None:
    with suppress(IndexError, ValueError):
        return int(_postmaster_lines(data)[0])
    return None


def _is_ready(data: Path, pid: int) -> bool:
    """The last of the eight lines of postmaster.pid says `ready`, as pg_ctl reads it."""
    lines = _postmaster_lines(data)
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004


def _serves(pid: int, data: Path) -> bool:
    arguments = arguments_of(pid)
    return bool(arguments) and Path(arguments[0]).name == "postgres" and str(data) in " ".join(arguments)


async def _end_orphans(data: Path) -> None:
    """Wait for sessions whose server is gone: while one lives, its shared memory block bars the next server."""
    if await wait_until(lambda: not _orphans(data), ORPHAN_LIMIT / 10):
        return
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for pid in _orphans(data):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        await wait_until(lambda: not _orphans(data), ORPHAN_LIMIT / 4)


def _orphans(data: Path) -> list[int]:
    """Processes that call themselves `postgres: …` and work in `data`. Only Linux tells; elsewhere they end unaided."""
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _is_session(entry, data)]


def _is_session(entry: Path, data: Path) -> bool:
    with suppress(OSError):
        return (entry / "cmdline").read_bytes().startswith(b"postgres: ") and (entry / "cwd").readlink() == data
    return False


def _telling_line(output: str, words: Sequence[str] = (*DISK_FULL, "FATAL:", "PANIC:", "error:", "")) -> str:
    """The first line of PostgreSQL's output that has the first of these words that any line has; else empty."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith("---")]
    return next((line for word in words for line in lines if word in line), "")

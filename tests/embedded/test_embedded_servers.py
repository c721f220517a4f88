from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import asyncpg
import nats
import nats.errors
import nats.js.errors
import psycopg
import pytest
from nats.js.api import StreamConfig

from service.embedded.account import postgres_account
from service.embedded.errors import EmbeddedError
from service.embedded.home import Home
from service.embedded.postgres_place import SOCKET_LIMIT
from service.embedded.servers import ServerUrls, embedded_servers
from tests.embedded.running import processes_of

SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "data_checksums": "on",
    "server_encoding": "UTF8",
    "lc_collate": "C",
    "jit": "off",
    "shared_buffers": "128MB",
    "max_connections": "100",
}


def _ask(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row and row[0]


def _listed(directory: Path) -> list[Path]:
    return list(directory.iterdir())


async def test_servers_keep_their_data(home: Path) -> None:
    """A second start finds what the first committed and published, on the same port, and leaves no process."""
    async with embedded_servers(home) as first:
        _check_settings(first)
        await _write(first)
        await _check_audit_user(first)
        _check_modes(home)
    assert processes_of(home) == []
    async with embedded_servers(home) as second:
        assert second == first
        assert _ask(second.owner_database_url, "SELECT n FROM kept") == 7
        client = await nats.connect(second.nats_url)
        assert (await client.jetstream().get_msg("TALLYSTICK", 1)).data == b"receipt"
        await client.close()
    assert processes_of(home) == []


async def test_the_analysts_login_is_limited(home: Path) -> None:
    """Sessions, times, temporary files and writing: by the catalogue, also of a login that had no limits before."""
    limits = (
        "SELECT rolconnlimit, array_to_string(rolconfig, ', ') FROM pg_roles WHERE rolname = 'tallystick_analyst_login'"
    )
    for _ in range(2):
        async with embedded_servers(home) as urls:
            with psycopg.connect(urls.owner_database_url, autocommit=True) as owner:
                assert owner.execute(limits).fetchone() == (
                    10,
                    (
                        "default_transaction_read_only=on, statement_timeout=5min,"
                        " idle_in_transaction_session_timeout=5min, temp_file_limit=1GB"
                    ),
                )
                owner.execute("ALTER ROLE tallystick_analyst_login CONNECTION LIMIT -1")
                owner.execute("ALTER ROLE tallystick_analyst_login RESET ALL")


def _check_settings(urls: ServerUrls) -> None:
    found = {
        key: _ask(urls.owner_database_url, f"SELECT current_setting('{key}')") for key in SETTINGS if key[:3] != "lc_"
    }
    assert found == {key: value for key, value in SETTINGS.items() if key in found}
    assert _ask(urls.owner_database_url, "SELECT datcollate FROM pg_database WHERE datname = 'tallystick'") == "C"
    assert _ask(urls.database_url, "SELECT current_user") == "tallystick_service"
    unsafe = "SELECT count(*) FROM pg_authid WHERE rolcanlogin AND rolpassword NOT LIKE 'SCRAM-SHA-256$%'"
    assert _ask(urls.owner_database_url, unsafe) == 0
    wrong = urls.database_url.replace("tallystick_service:", "tallystick_service:x")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


async def _write(urls: ServerUrls) -> None:
    connection = await asyncpg.connect(urls.owner_database_url)
    await connection.execute("CREATE TABLE kept (n int)")
    await connection.execute("INSERT INTO kept VALUES (7)")
    await connection.close()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        _ask(urls.database_url, "SELECT n FROM kept")
    client = await nats.connect(urls.nats_url)
    stream = client.jetstream()
    await stream.add_stream(StreamConfig(name="TALLYSTICK", subjects=["tally.v1.>"], allow_direct=True))
    await stream.publish("tally.v1.token.issued._", b"receipt")
    await client.close()


async def _check_audit_user(urls: ServerUrls) -> None:
    """It reads the stream in every way, and changes nothing."""
    refused: list[str] = []

    async def remember(error: Exception) -> None:
        refused.append(str(error))

    client = await nats.connect(urls.audit_nats_url, error_cb=remember)
    stream = client.jetstream()
    ephemeral = await stream.pull_subscribe("tally.v1.>")
    assert (await ephemeral.fetch(1, 5))[0].data == b"receipt"
    durable = await stream.pull_subscribe("tally.v1.>", durable="watch", stream="TALLYSTICK")
    [message] = await durable.fetch(1, 5)
    await message.ack_sync()
    assert (await stream.get_msg("TALLYSTICK", 1, direct=True)).data == b"receipt"
    assert (await stream.stream_info("TALLYSTICK")).state.messages == 1
    assert refused == []
    for subject in ("tally.v1.token.issued._", "$JS.API.STREAM.PURGE.TALLYSTICK", "$JS.API.STREAM.DELETE.TALLYSTICK"):
        with pytest.raises((nats.errors.TimeoutError, nats.errors.NoRespondersError)):
            await client.request(subject, b"", timeout=0.2)
    assert [error.partition(" to ")[0] for error in refused] == ["nats: permissions violation for publish"] * 3
    await client.close()


def _check_modes(home: Path) -> None:
    """Nobody else reads a home; where root runs it, the group of PostgreSQL's account may traverse two directories."""
    traversed = {home, home / "run"} if os.geteuid() == 0 else set()
    for path in (home, *home.rglob("*")):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            assert (path, stat.S_IMODE(status.st_mode)) == (path, 0o600)
        elif stat.S_ISDIR(status.st_mode):
            assert (path, stat.S_IMODE(status.st_mode)) == (path, 0o710 if path in traversed else 0o700)


async def test_a_long_path_with_spaces_works(shared_dir: Path) -> None:
    """Where a socket's path would be too long, a short private directory takes it; URLs carry any character."""
    home = shared_dir / "with spaces and, commas" / ("deep " * 20).strip() / "home"
    assert len(str(home)) > SOCKET_LIMIT
    home.parent.mkdir(parents=True)
    async with embedded_servers(home) as urls:
        connection = await asyncpg.connect(urls.database_url)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        assert _ask(urls.owner_database_url, "SELECT 1") == 1
        client = await nats.connect(urls.nats_url)
        await client.close()
    short = shared_dir / "a b'c\"d%e é"
    async with embedded_servers(short) as urls:
        assert "run%2Fpostgres" in urls.database_url
        assert _ask(urls.database_url, "SELECT 1") == 1
        connection = await asyncpg.connect(urls.database_url)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


async def test_a_secluded_home_works(secluded_dir: Path) -> None:
    """Where PostgreSQL's account cannot reach the home, the data is kept outside, and no existing mode is changed."""
    home = secluded_dir / "home"
    said: list[str] = []
    modes = {path: path.stat().st_mode for path in secluded_dir.parents}
    for _ in range(2):
        async with embedded_servers(home, say=said.append) as urls:
            assert _ask(urls.database_url, "SELECT current_user") == "tallystick_service"
    assert {path: path.stat().st_mode for path in secluded_dir.parents} == modes
    if os.geteuid() == 0:
        assert ((home / "postgres").readlink().parent / "home").read_text() == f"{home}\n"
    assert (home / "postgres").is_symlink() == (os.geteuid() == 0)
    assert sum("the database is kept in" in line for line in said) == (1 if os.geteuid() == 0 else 0)


async def test_a_taken_nats_port_is_told(home: Path) -> None:
    """When another program has the port of earlier starts, another one is taken, said, and kept."""
    said: list[str] = []
    with Home(home).lock():
        pass
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (home / "nats.port").write_text(str(port))
        async with embedded_servers(home, say=said.append) as urls:
            chosen = urls.nats_url.rpartition(":")[2]
    assert said == [f"port {port} is taken by another program: NATS listens on {chosen}"]
    assert (home / "nats.port").read_text().strip() == chosen


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"PG_VERSION": "16\n"}, "holds data of PostgreSQL 16, and this version of Tallystick brings PostgreSQL 18"),
        ({"base": ""}, "is broken: it has files but no PG_VERSION"),
        ({"PG_VERSION": "18\n"}, "PostgreSQL did not start: .*postgresql.conf.*No such file"),
    ],
)
async def test_a_broken_cluster_is_told(home: Path, files: dict[str, str], message: str) -> None:
    """Data of another major version, or pieces of data, are named and left as they are."""
    with Home(home).lock():
        (home / "postgres").mkdir(mode=0o700)
        postgres_account(home / "none", print).own(home / "postgres")
    for name, content in files.items():
        (home / "postgres" / name).write_text(content)
    with pytest.raises(EmbeddedError, match=message):
        async with embedded_servers(home):
            pass
    assert {path.name: path.read_text() for path in _listed(home / "postgres") if path.name in files} == files
    assert processes_of(home) == []


async def test_an_interrupted_first_start_is_made_good(home: Path) -> None:
    """Pieces of a cluster that was never finished do not stop the next start, and do not stay."""
    with Home(home).lock():
        (home / "postgres.new-abc").mkdir()
        (home / "postgres.new-abc" / "data").mkdir()
        (home / "postgres").mkdir()
    async with embedded_servers(home) as urls:
        assert _ask(urls.database_url, "SELECT 1") == 1
    assert [path.name for path in _listed(home) if path.name.startswith("postgres.new-")] == []

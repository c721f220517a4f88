from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psycopg
import pytest
from click.testing import CliRunner

from service.cli.up import up as up_command
from service.embedded.errors import EmbeddedError
from service.embedded.home import Home
from service.embedded.process import Command, arguments_of, identity
from service.embedded.servers import embedded_servers
from tests.embedded.running import Up, Ups, processes_of

LATER_START = 30.0
CAP_SYS_ADMIN = 1 << 21


def _may_mount() -> bool:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff:")]
    return bool(int(line.split()[1], 16) & CAP_SYS_ADMIN)


needs_mount = pytest.mark.skipif(not _may_mount(), reason="a small disk can be mounted by root only")


def _insert(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO receipts VALUES (1)")


def _count(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM receipts").fetchone()
        assert row is not None
        return int(row[0])


def _until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _listed(directory: Path) -> list[Path]:
    return list(directory.iterdir())


@contextmanager
def _disk(directory: Path, mebibytes: int) -> Iterator[None]:
    """Mount a small disk on `directory`."""
    mounted = ["/bin/mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0755", "tmpfs", str(directory)]
    subprocess.run(mounted, check=True)
    try:
        yield
    finally:
        subprocess.run(["/bin/umount", str(directory)], check=True)


def _child(up: Up, name: str) -> int:
    """The pid of a child of the driver by the name of its program, or a word among its arguments."""
    [pid] = _children(up, name)
    return pid


def _children(up: Up, name: str) -> list[int]:
    listing = Path(f"/proc/{up.process.pid}/task/{up.process.pid}/children").read_text().split()
    return [int(each) for each in listing if name in [Path(part).name for part in arguments_of(int(each))]]


def test_a_signal_stops_everything_and_a_start_resumes(home: Path, up: Ups) -> None:
    """Exit 0, no process and no run.json left; the next start has the data, and is ready soon."""
    first = up(home, workers=2)
    info = first.ready()
    assert httpx.get(info.http_url + "/health/ready").status_code == 200
    _insert(info.database_url)
    assert first.signal(signal.SIGINT) == 0
    assert processes_of(home) == []
    assert not (home / "run.json").exists()
    began = time.monotonic()
    second = up(home)
    assert _count(second.ready().database_url) == 1
    assert time.monotonic() - began < LATER_START
    assert second.signal(signal.SIGTERM) == 0
    assert processes_of(home) == []


def test_a_killed_run_leaves_nothing_that_bars_the_next(home: Path, up: Ups) -> None:
    """After kill -9 of the supervisor a start on the same port, at once, has every commit."""
    first = up(home)
    info = first.ready()
    _insert(info.database_url)
    port = int(info.http_url.rpartition(":")[2])
    first.signal(signal.SIGKILL)
    second = up(home, port=port)
    again = second.ready()
    assert _count(again.database_url) == 1
    assert again.http_url == info.http_url
    _until(lambda: len(processes_of(home)) == 2)
    assert second.signal(signal.SIGTERM) == 0
    assert processes_of(home) == []


def test_frozen_leftovers_are_ended(home: Path, up: Ups) -> None:
    """Children of a killed run that do not react (stopped by SIGSTOP) are ended by the next start."""
    first = up(home)
    first.ready()
    frozen = [_child(first, name) for name in ("postgres", "nats-server", "serve", "idle")]
    started = [identity(pid) for pid in frozen[2:]]
    for pid in frozen[2:]:
        os.kill(pid, signal.SIGSTOP)
    first.signal(signal.SIGKILL)
    second = up(home)
    second.ready()
    assert [identity(pid) == was for pid, was in zip(frozen[2:], started, strict=True)] == [False, False]
    assert "stopping a process that a killed run left" in second.errors()


def test_a_killed_child_is_started_again(home: Path, up: Ups) -> None:
    """After kill -9 of any child: it is said loudly, the child is back at once, and no commit is lost."""
    running = up(home)
    info = running.ready()
    _insert(info.database_url)
    for times, name in enumerate(("postgres", "nats-server", "serve", "idle"), start=1):
        pid = _child(running, name)
        os.kill(pid, signal.SIGKILL)
        _until(lambda times=times: running.errors().count("is up again") == times)  # type: ignore[misc]
        assert f"(pid {pid}) DIED: signal SIGKILL" in running.errors()
        _until(lambda pid=pid, name=name: set(_children(running, name)) - {pid})  # type: ignore[misc]
    assert _count(info.database_url) == 1
    assert httpx.get(info.http_url + "/health/ready").status_code == 200
    assert running.signal(signal.SIGINT) == 0
    assert processes_of(home) == []


def test_a_child_that_keeps_dying_ends_everything(home: Path, up: Ups) -> None:
    """More than five early deaths in a row: everything is stopped, exit 1, and the message says who died of what."""
    running = up(home, relay="fail")
    assert running.process.wait(30) == 1
    assert running.errors().count("relay (pid ") == 7
    assert "Error: relay died 6 times in a row; at last: relay (pid " in running.errors()
    assert processes_of(home) == []


def test_a_signal_during_the_start_stops_it(home: Path, up: Ups) -> None:
    """Ctrl-C before `ready`, even while the cluster is being made, is an orderly stop; the next start works."""
    first = up(home)
    _until(lambda: any(home.glob("postgres.new-*")))
    assert first.signal(signal.SIGINT) == 0
    assert processes_of(home) == []
    assert _count(up(home).ready().database_url) == 0


def test_a_kill_during_the_first_start_is_made_good(home: Path, up: Ups) -> None:
    """After kill -9 while the cluster is being made the next start completes the home."""
    first = up(home)
    _until(lambda: any(home.glob("postgres.new-*/data/base")))
    first.signal(signal.SIGKILL)
    assert _count(up(home).ready().database_url) == 0
    assert list(home.glob("postgres.new-*")) == []


def test_a_taken_port_is_told(home: Path) -> None:
    """The command says which port and what to do, exits 1, and starts nothing."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = CliRunner().invoke(up_command, ["--home", str(home), "--port", str(port)])
    assert result.exit_code == 1
    assert result.output == (
        f"Error: port {port} on 127.0.0.1 is taken by another program; choose another with --port\n"
    )
    assert not (home / "postgres").exists()


def test_a_held_home_is_told(home: Path) -> None:
    """A second `up` on a home says who runs there, and exits 1."""
    with Home(home).lock():
        result = CliRunner().invoke(up_command, ["--home", str(home), "--port", "0"])
    assert result.exit_code == 1
    assert f"Error: another tallystick is running on this home (pid {os.getpid()})" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--home", "/dev/null"], "Error: /dev/null is a file; the home must be a directory\n"),
        (["--home", "/dev/null/x"], "Error: cannot use /dev/null/x: Not a directory\n"),
        (["--access", "/nowhere.yaml"], "Error: there is no access file /nowhere.yaml\n"),
    ],
)
def test_a_wrong_path_is_told(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One line that names it, and exit 1."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(up_command, arguments)
    assert (result.exit_code, result.output) == (1, message)


def test_an_unknown_host_is_told(home: Path) -> None:
    """An address that this machine does not have is named."""
    result = CliRunner().invoke(up_command, ["--home", str(home), "--host", "192.0.2.1", "--port", "0"])
    assert result.exit_code == 1
    assert "cannot listen on port 0 of 192.0.2.1" in result.output


async def test_a_full_disk_is_told_in_postgres_s_words(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line of its output that speaks of the disk is in the message, and the work is removed."""

    async def fail(command: Command) -> tuple[int, str]:
        return 1, "creating ...\nFATAL:  could not write: No space left on device\nPANIC:  cannot abort\nremoving\n"

    monkeypatch.setattr("service.embedded.postgres_cluster.capture", fail)
    with pytest.raises(EmbeddedError, match=r"postgres: FATAL:  could not write: No space left on device"):
        async with embedded_servers(home):
            pass
    assert {path.name for path in _listed(home) if path.name.startswith("postgres")} == set()


@needs_mount
def test_a_full_disk_is_told(shared_dir: Path, up: Ups) -> None:
    """The message has PostgreSQL's own words and the space that is left; exit 1, and no half-made cluster."""
    home = shared_dir / "home"
    with _disk(shared_dir, 20):
        running = up(home)
        assert running.process.wait(30) == 1
        assert "Error: PostgreSQL could not make its files in" in running.errors()
        assert re.search(r"(No space left on device|wrote only .*); little disk space is left", running.errors())
        assert not (home / "postgres").exists()
        assert list(home.glob("postgres.new-*")) == []


@needs_mount
def test_a_start_on_a_full_disk_is_told(shared_dir: Path, up: Ups) -> None:
    """What cannot be written is said, exit 1; with space again, every commit is there."""
    home = shared_dir / "home"
    with _disk(shared_dir, 100):
        first = up(home)
        _insert(first.ready().database_url)
        assert first.signal(signal.SIGTERM) == 0
        _fill(shared_dir / "ballast")
        second = up(home)
        assert second.process.wait(30) == 1
        assert re.search(r"^Error: .*No space left on device.*little disk space is left", second.errors(), re.MULTILINE)
        assert "Traceback" not in second.errors()
        (shared_dir / "ballast").unlink()
        third = up(home)
        assert _count(third.ready().database_url) == 1
        third.end()


@needs_mount
def test_a_disk_that_fills_up_while_it_runs_is_survived(shared_dir: Path, up: Ups) -> None:
    """PostgreSQL panics rather than lose a commit; with space again it goes on, without a start."""
    home = shared_dir / "home"
    with _disk(shared_dir, 100):
        running = up(home)
        info = running.ready()
        _insert(info.database_url)
        _fill(shared_dir / "ballast")
        with psycopg.connect(str(info.owner_database_url)) as connection, suppress(psycopg.OperationalError):
            while True:
                connection.execute("SELECT pg_logical_emit_message(false, 'ballast', repeat('x', 1000000))")
        (shared_dir / "ballast").unlink()
        _until(lambda: _answers(info.database_url))
        assert _count(info.database_url) == 1
        assert running.signal(signal.SIGTERM) == 0


def _answers(url: str) -> bool:
    with suppress(psycopg.OperationalError):
        return _count(url) >= 0
    return False


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_child_ends_with_its_parent() -> None:
    """A child started by `spawn` ends when its parent is killed, even if the parent had no time for anything."""
    program = (
        "import asyncio, sys\n"
        "from service.embedded.process import Command, spawn\n"
        "async def main():\n"
        "    child = await spawn(Command(name='x', argv=('/bin/sleep', '100')))\n"
        "    print(child.pid, flush=True)\n"
        "    await child.wait()\n"
        "asyncio.run(main())\n"
    )
    root = str(Path(__file__).parents[2])
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=root) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    _until(lambda: identity(pid) is None)

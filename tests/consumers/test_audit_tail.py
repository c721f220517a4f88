"""`tallystick audit tail` for programs: its formats, and a file that goes on where it ends."""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from service.cli.event_formats import FORMATS
from service.cli.main import tallystick
from tests.consumers.program import SECONDS, running
from tests.consumers.test_subscriber import event, fill
from tests.nats_server import NatsServer
from tests.relay.support import until

POSITIONS = {"json": ("position",), "ecs": ("event", "sequence"), "ocsf": ("metadata", "sequence")}


@asynccontextmanager
async def tail(nats: NatsServer, *options: str) -> AsyncIterator[Process]:
    """The command, with the rights of an auditor only."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
    env |= {"TALLYSTICK_NATS_URL": nats.audit_url, "TALLYSTICK_HOME": "/nowhere"}
    command = ("-m", "service.cli.main", "audit", "tail", *options)
    async with running(*command, stdout=PIPE, env=env) as process:
        yield process


async def ended(nats: NatsServer, *options: str) -> tuple[int | None, str, str]:
    """Exit code, output and errors of the command."""
    async with tail(nats, *options) as process:
        output, errors = await asyncio.wait_for(process.communicate(), SECONDS)
        return process.returncode, output.decode(), errors.decode()


def positions(lines: str, kind: str) -> list[int]:
    """The positions of lines in a format."""
    found = []
    for line in lines.splitlines():
        each: Any = json.loads(line)
        for name in POSITIONS[kind]:
            each = each[name]
        found.append(each)
    return found


async def test_each_format_has_every_event(nats: NatsServer) -> None:
    """A line for each event from a position on, as the export makes it."""
    await fill(nats, 1, 5, create=True)
    ran = [ended(nats, "--format", kind, "--from", "3", "--no-follow") for kind in POSITIONS]
    for kind, (code, output, _) in zip(POSITIONS, await asyncio.gather(*ran), strict=True):
        assert (code, positions(output, kind)) == (0, [3, 4, 5])
        assert output.splitlines()[0] == FORMATS[kind].line(event(3))


@pytest.mark.parametrize("torn_at", [1, 40, None])
@pytest.mark.parametrize("kind", ["json", "ocsf"])
async def test_file_goes_on_where_it_ends(nats: NatsServer, tmp_path: Path, kind: str, torn_at: int | None) -> None:
    """Started again it has what came since, each event once; what a kill left of a line is no event."""
    file = tmp_path / "audit.ndjson"
    await fill(nats, 1, 4, create=True)
    options = ("--format", kind, "--into", str(file), "--no-follow")
    assert (await ended(nats, *options))[:2] == (0, "")
    with file.open("ab") as torn:
        torn.write(FORMATS[kind].line(event(5)).encode()[:torn_at])
    await fill(nats, 5, 7)
    assert (await ended(nats, *options))[:2] == (0, "")
    assert positions(file.read_text(), kind) == [1, 2, 3, 4, 5, 6, 7]
    assert file.stat().st_mode & 0o007 == 0


async def test_killed_while_it_writes_it_misses_and_repeats_nothing(nats: NatsServer, tmp_path: Path) -> None:
    """SIGKILL at whatever moment it is reached: the next start has the rest."""
    file = tmp_path / "audit.ndjson"
    await fill(nats, 1, 400, create=True)
    async with tail(nats, "--format", "ecs", "--into", str(file)) as process:
        await until(lambda: file.exists() and file.stat().st_size > 0, SECONDS)
        process.kill()
        await process.wait()
    await fill(nats, 401, 500)
    assert (await ended(nats, "--format", "ecs", "--into", str(file), "--no-follow"))[0] == 0
    assert positions(file.read_text(), "ecs") == list(range(1, 501))


async def test_new_file_begins_where_it_is_told(nats: NatsServer, tmp_path: Path) -> None:
    """`--from` is where a file without events begins, as after a rotation."""
    file = tmp_path / "audit.ndjson"
    await fill(nats, 1, 5, create=True)
    for _ in range(2):
        assert (await ended(nats, "--into", str(file), "--from", "4", "--no-follow"))[0] == 0
    assert positions(file.read_text(), "json") == [4, 5]


async def test_one_process_alone_writes_to_a_file(nats: NatsServer, tmp_path: Path) -> None:
    """A second one says so and leaves the file alone."""
    file = tmp_path / "audit.ndjson"
    await fill(nats, 1, 3, create=True)
    async with tail(nats, "--into", str(file)):
        await until(lambda: file.exists() and file.read_bytes().count(b"\n") == 3, SECONDS)
        code, _, errors = await ended(nats, "--into", str(file), "--no-follow")
    assert (code, errors.strip()) == (1, f"Error: {file}: another process writes to it")


def refused(*options: str) -> tuple[int, str]:
    """Exit code and words of a command that ends before it asks for the stream."""
    env = {"TALLYSTICK_NATS_URL": "nats://127.0.0.1:1", "TALLYSTICK_HOME": "/nowhere"}
    result = CliRunner().invoke(tallystick, ["audit", "tail", *options], env=env)
    assert isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"position": 3}\n', "{file}: its last line is no event in this format: it has no event.sequence"),
        (b"\xff\n", "{file}: its last line is no event in this format: "),
        (b'{"position": 3}\n{"pos', "{file}: its last line is no event in this format: it has no event.sequence"),
        (b"hello\nworld: unfinished", "{file}: its last line is no event in this format: "),
        (b"c2VjcmV0LW1hc3Rlci1rZXk=", "{file}: what it ends with is no part of an event"),
        (b'{"keys": [{"kty": "EC", "d": "secret"}]}', "{file}: what it ends with is no part of an event"),
        (b'{"event": {"sequence": 3}}\n# end', "{file}: what it ends with is no part of an event"),
        (b"\n", "{file}: its last line is no event in this format: "),
    ],
)
def test_file_of_something_else_is_left_alone(tmp_path: Path, content: bytes, told: str) -> None:
    """Two formats in one file would be read as neither, and what is no event is never cut off."""
    file = tmp_path / "audit.ndjson"
    file.write_bytes(content)
    code, errors = refused("--format", "ecs", "--into", str(file), "--no-follow")
    assert code == 1
    assert errors.startswith(f"Error: {told.format(file=file)}")
    assert len(errors.splitlines()) == 1
    assert file.read_bytes() == content


def test_pipe_is_no_file(tmp_path: Path) -> None:
    """It cannot say where it ends; nor can a device."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/null")):
        told = f"Error: {path}: it is no regular file, and so cannot tell where it ends"
        assert refused("--format", "ecs", "--into", str(path), "--no-follow") == (1, f"{told}\n")


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--json", "--format", "ecs"), 2, "take one"),
        (("--format", "line", "--into", "x"), 2, "a file is written as json, ecs or ocsf"),
        (("--format", "cef"), 2, "'cef' is not one of"),
        (("--into", "/nowhere/at/all"), 1, "Error: /nowhere/at/all: No such file or directory"),
    ],
)
def test_wrong_use_is_told(options: tuple[str, ...], code: int, told: str) -> None:
    """In a sentence, without a traceback."""
    found, errors = refused(*options)
    assert (found, told in errors) == (code, True)


async def test_file_has_no_hole(nats: NatsServer, tmp_path: Path) -> None:
    """Where the stream begins after what the file needs next, it says so, rather than leave some out unseen."""
    file = tmp_path / "audit.ndjson"
    before = FORMATS["ecs"].line(event(3)) + "\n"
    file.write_text(before)
    await fill(nats, 10, 12, create=True)
    code, _, errors = await ended(nats, "--format", "ecs", "--into", str(file), "--no-follow")
    assert (code, errors.strip()) == (1, "Error: the file goes on at 4, and the stream begins at 10")
    assert file.read_text() == before


async def test_stream_that_is_not_there_yet_is_waited_for(nats: NatsServer, tmp_path: Path) -> None:
    """A file that has events goes on after them once the stream is made anew, and repeats none."""
    file = tmp_path / "audit.ndjson"
    file.write_text("".join(FORMATS["ecs"].line(event(each)) + "\n" for each in (1, 2)))
    async with tail(nats, "--format", "ecs", "--into", str(file)) as process:
        assert process.stderr is not None
        assert await asyncio.wait_for(process.stderr.readline(), SECONDS) == b"there is no stream yet\n"
        await fill(nats, 1, 5, create=True)
        await until(lambda: file.read_bytes().count(b"\n") >= 5)
    assert positions(file.read_text(), "ecs") == [1, 2, 3, 4, 5]

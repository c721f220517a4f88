"""The recipes of docs/audit-stream.md and a stream that an intruder wrote into, or that was made anew.

Each says what is wrong in one sentence, without a traceback, and has what came before it.
"""

from __future__ import annotations

import json
import os
import runpy
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nats.aio.client import Client as NatsClient
from nats.aio.msg import Msg

from schema.envelope import subject_of
from service.journal.stream import Message
from tests.consumers.program import running, sentence
from tests.consumers.test_subscriber import fill, publishing
from tests.nats_server import NatsServer
from tests.relay.support import until

EXAMPLES = Path(__file__).parents[2] / "examples"
RECIPES = ("siem_mirror.py", "audit_subscriber.py")

FORGERIES: dict[str, tuple[bytes, dict[str, str], str]] = {
    "no JSON": (b"\xff\x00not json", {"ce-id": "4"}, ""),
    "no object": (b'["a"]', {"ce-id": "4"}, "its body is not a JSON object"),
    "nothing": (b"", {"ce-id": "4"}, ""),
    "too deep": (b'{"a":' + b"[" * 200_000, {"ce-id": "4"}, ""),
    "no headers": (b"{}", {}, "its ce-id is not its sequence"),
    "another ce-id": (b"{}", {"ce-id": "3"}, "its ce-id is not its sequence"),
    "no number": (b"{}", {"ce-id": "four"}, "its ce-id is not its sequence"),
}
"""Body, headers, and the reason that is told where it is not the decoder's; at sequence 4."""
FORGED = "the message at sequence 4 is not an event of Tallystick: "


async def forge(nats: NatsServer, sequence: int, data: bytes, headers: str) -> None:
    """Publish as an intruder does, at the end of the stream."""
    async with publishing(nats) as stream:
        await stream.publish([Message(subject_of("token.issued", "odd"), headers, data)], sequence - 1)


@asynccontextmanager
async def started(recipe: str, nats: NatsServer, output: Path) -> AsyncIterator[Process]:
    """A recipe, the events that it has in a file of JSON lines, with the rights of an auditor only."""
    arguments = (str(output),) if recipe == "siem_mirror.py" else ()
    env = os.environ | {"AUDIT_NATS_URL": nats.audit_url}
    with (output.with_suffix(".out") if arguments else output).open("ab") as out:
        async with running(EXAMPLES / recipe, *arguments, stdout=out, env=env) as process:
            yield process


def ids(output: Path) -> list[int]:
    """The positions of the lines."""
    return [int(json.loads(line)["id"]) for line in output.read_bytes().splitlines()] if output.exists() else []


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("headers", ["ce-id: 3\r\n", ""])
async def test_what_is_no_event_is_told(nats: NatsServer, tmp_path: Path, recipe: str, headers: str) -> None:
    """It names the sequence and has each event before it, though they came at once; and none after it."""
    output = tmp_path / "seen.jsonl"
    await fill(nats, 1, 3, create=True)
    await forge(nats, 4, b"{}", headers)
    await fill(nats, 5, 6)
    async with started(recipe, nats, output) as process:
        assert await sentence(process) == f"{FORGED}its ce-id is not its sequence"
    assert ids(output) == [1, 2, 3]


@pytest.mark.parametrize("recipe", RECIPES)
async def test_what_is_no_event_is_never_skipped(nats: NatsServer, tmp_path: Path, recipe: str) -> None:
    """Started again, it ends there again, and what came before does not come twice."""
    output = tmp_path / "seen.jsonl"
    await fill(nats, 1, 3, create=True)
    await forge(nats, 4, b"\xff\x00not json", "ce-id: 4\r\n")
    await fill(nats, 5, 6)
    for _ in range(2):
        async with started(recipe, nats, output) as process:
            assert (await sentence(process)).startswith(FORGED)
        assert ids(output) == [1, 2, 3]


def read(recipe: str, data: bytes, headers: dict[str, str]) -> None:
    """Have a recipe read a message at sequence 4."""
    program = runpy.run_path(str(EXAMPLES / recipe))
    read_by = program["line_of" if recipe == "siem_mirror.py" else "event_of"]
    read_by(Msg(NatsClient(), data=data, headers=headers or None), 4)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("forgery", FORGERIES)
def test_each_kind_of_forgery_is_told(recipe: str, forgery: str) -> None:
    """Whatever is in it: one sentence, with the sequence and the reason."""
    data, headers, reason = FORGERIES[forgery]
    with pytest.raises(SystemExit, match=FORGED + reason):
        read(recipe, data, headers)


@pytest.mark.parametrize("data", [b'{"a":NaN}', b'{"a":"\\ud800"}'])
def test_a_line_is_json_whatever_was_published(data: bytes) -> None:
    """What Python reads and a file of JSON cannot hold is no event either."""
    with pytest.raises(SystemExit, match=FORGED):
        read("siem_mirror.py", data, {"ce-id": "4"})


@pytest.mark.parametrize("recipe", RECIPES)
async def test_a_stream_that_is_made_anew_is_told(nats: NatsServer, tmp_path: Path, recipe: str) -> None:
    """It ends with a sentence; started again the mirror goes on after its last line, the subscriber at the first."""
    output = tmp_path / "seen.jsonl"
    await fill(nats, 1, 5, create=True)
    async with started(recipe, nats, output) as first:
        await until(lambda: ids(output) == [1, 2, 3, 4, 5])
        await anew(nats, 8)
        assert "was made anew" in await sentence(first)
    repeated = [] if recipe == "siem_mirror.py" else [1, 2, 3, 4, 5]
    async with started(recipe, nats, output):
        await until(lambda: ids(output) == [1, 2, 3, 4, 5, *repeated, 6, 7, 8])


@pytest.mark.parametrize("recipe", RECIPES)
async def test_a_stream_that_is_not_there_is_told(nats: NatsServer, tmp_path: Path, recipe: str) -> None:
    """Between its removal and the relay's first event there is nothing to read."""
    async with started(recipe, nats, tmp_path / "seen.jsonl") as process:
        assert "stream not found" in await sentence(process)


async def anew(nats: NatsServer, last: int) -> None:
    """Remove the stream, if there is one, and fill another to its last event."""
    async with publishing(nats) as stream:
        if await stream.info():
            await stream.delete()
    await fill(nats, 1, last, create=True)

"""The recipes of docs/audit-stream.md, run against a running product: restarted and killed, they have every event."""

from __future__ import annotations

import asyncio
import json
import os
import random
import runpy
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from tests.load import Load
from tests.product import COMMAND, Product, running_product

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 60.0


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """`tallystick up` with one worker."""
    with running_product() as running:
        yield running


class Recipe:
    """A program of the examples, or a command, whose standard output is appended to a file."""

    def __init__(self, product: Product, output: Path, *command: str) -> None:
        self._command = command
        self._output = output
        self._env = {key: value for key, value in os.environ.items() if not key.startswith("TALLYSTICK_")} | {
            "AUDIT_NATS_URL": product.run_info()["audit_nats_url"],
            "TALLYSTICK_HOME": str(product.home),
            "PYTHONUNBUFFERED": "1",
        }

    def __enter__(self) -> subprocess.Popen[bytes]:
        with self._output.open("ab") as output, self._output.with_suffix(".errors").open("ab") as errors:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=errors, env=self._env)
        return self._process

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def _program(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, str(EXAMPLES / name), *arguments)


def _positions(product: Product, where: str = "true") -> list[int]:
    with psycopg.connect(product.run_info()["owner_database_url"]) as connection:
        query = f"SELECT position FROM journal.events WHERE {where} ORDER BY position"  # noqa: S608 constants
        return [row[0] for row in connection.execute(query.encode())]


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file."""
    whole = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in whole[: whole.rfind(b"\n") + 1].splitlines()]


def _ids(path: Path) -> list[int]:
    return [int(line["id"]) for line in _lines(path)]


def _holds(path: Path, lines: int) -> bool:
    return len(_ids(path)) >= lines


def _until(holds: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert process.poll() is None, "it ended"
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.1)


def _load(product: Product, calls: int, seed: int) -> None:
    asyncio.run(Load(product.url, product.secrets(), seed=seed).run(calls, 4))


def _refuse(product: Product) -> None:
    answer = httpx.post(
        f"{product.url}/oauth2/token", data={"grant_type": "client_credentials"}, auth=("worker", "wrong")
    )
    assert answer.status_code == 401


def test_the_subscriber_goes_on_where_it_was_left(product: Product, tmp_path: Path) -> None:
    """Killed in the middle and started again, it has handled every event of the journal, none of them unseen."""
    output = tmp_path / "seen"
    command = _program("audit_subscriber.py", "--durable", "everything")
    _load(product, 200, seed=11)
    with Recipe(product, output, *command) as first:
        _until(lambda: len(_ids(output)) >= 20, first)
        first.kill()
    _load(product, 60, seed=12)
    last = _positions(product)[-1]
    with Recipe(product, output, *command) as second:
        _until(lambda: set(range(1, last + 1)) <= set(_ids(output)), second)
    seen = [position for position in _ids(output) if position <= last]

    assert _positions(product, f"position <= {last}") == sorted(set(seen))
    assert len(seen) - len(set(seen)) <= 1
    assert len(seen) > len(_positions(product)) // 2


def _run_until(product: Product, output: Path, command: tuple[str, ...], more: int) -> None:
    """Start it, and kill it after some lines."""
    lines = len(_ids(output)) + more
    with Recipe(product, output, *command) as running:
        _until(partial(_holds, output, lines), running)
        running.kill()


def test_a_subscriber_killed_again_and_again_raises_no_false_alarm(product: Product, tmp_path: Path) -> None:
    """Killed, started at once and killed before what it had was sent again, it goes on and has every event."""
    output = tmp_path / "seen"
    command = _program("audit_subscriber.py", "--durable", "hasty")
    _load(product, 400, seed=14)
    last = _positions(product)[-1]
    for _ in range(3):
        _run_until(product, output, command, 30)
    with Recipe(product, output, *command) as running:
        _until(lambda: max(_ids(output)) >= last, running)
    seen = [position for position in _ids(output) if position <= last]

    assert _positions(product, f"position <= {last}") == sorted(set(seen))
    assert sorted(seen) == seen
    assert len(seen) - len(set(seen)) <= 3


class _Stream:
    """Stands for the stream: it has these positions."""

    def __init__(self, positions: set[int]) -> None:
        self._positions = positions

    async def get_msg(self, _: str, position: int) -> RawStreamMsg:
        """One message."""
        if position not in self._positions:
            raise NotFoundError
        return RawStreamMsg(data=b"{}", headers={"ce-id": str(position)})


async def test_what_was_given_to_another_is_handled(capsys: pytest.CaptureFixture[str]) -> None:
    """Positions that never came and that the stream has are handled first; each once."""
    whole = runpy.run_path(str(EXAMPLES / "audit_subscriber.py"))["Whole"](_Stream({4, 5, 6}), 3)
    for position in (6, 4, 7):
        await whole.before(position)

    assert [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()] == ["4", "5"]


async def test_what_was_taken_from_the_stream_is_missed() -> None:
    """A position that neither came nor is in the stream ends it, and says which."""
    whole = runpy.run_path(str(EXAMPLES / "audit_subscriber.py"))["Whole"](_Stream({4, 6}), 3)
    with pytest.raises(SystemExit, match="event 5 never came"):
        await whole.before(6)


def test_the_subscriber_takes_only_what_it_asks_for(product: Product, tmp_path: Path) -> None:
    """Filtered by type and client, it is sent the events of these alone, with their CloudEvents attributes."""
    output = tmp_path / "seen"
    filtered = ("--durable", "refusals", "--type", "access.rejected", "--client", "worker")
    for _ in range(3):
        _refuse(product)
    expected = _positions(product, "type = 'access.rejected' AND client = 'worker'")
    with Recipe(product, output, *_program("audit_subscriber.py", *filtered)) as running:
        _until(lambda: len(_ids(output)) >= len(expected), running)
    seen = _lines(output)

    assert expected == [int(line["id"]) for line in seen]
    assert {("1.0", product.url, "tallystick.access.rejected.v1", "worker")} == {
        (line["specversion"], line["source"], line["type"], line["data"]["client_id"]) for line in seen
    }


def test_the_mirror_has_each_event_once(product: Product, tmp_path: Path) -> None:
    """Killed at random moments, and with half a line left by a kill, the file has every position once and in order."""
    mirror, dice = tmp_path / "audit.jsonl", random.Random(5)
    _load(product, 300, seed=13)
    for turn in range(4):
        with Recipe(product, tmp_path / "output", *_program("siem_mirror.py", str(mirror))) as running:
            more = len(_ids(mirror)) + 1
            _load(product, 40, seed=20 + turn)
            _until(partial(_holds, mirror, more), running)
            time.sleep(dice.random() / 20)
            running.kill()
        with mirror.open("ab") as torn:
            torn.write(b'{"specversion":"1.0","id":"99')
    last = _positions(product)[-1]
    with Recipe(product, tmp_path / "output", *_program("siem_mirror.py", str(mirror))) as running:
        _until(lambda: _ids(mirror)[-1] >= last, running)

    assert _positions(product, f"position <= {last}") == [position for position in _ids(mirror) if position <= last]


def test_the_mirrors_lines_are_cloudevents(product: Product, tmp_path: Path) -> None:
    """Each line has the attributes that CloudEvents 1.0 requires, legal names, and the event's JSON as its data."""
    mirror = tmp_path / "audit.jsonl"
    last = _positions(product)[-1]
    with Recipe(product, tmp_path / "output", *_program("siem_mirror.py", str(mirror))) as running:
        _until(lambda: max(_ids(mirror), default=0) >= last, running)
    lines = _lines(mirror)

    assert [line for line in lines if not {"specversion", "id", "source", "type", "time", "data"} <= set(line)] == []
    assert [
        name for line in lines for name in line if not (name.isalnum() and name.islower() and len(name) <= 20)
    ] == []
    assert all(line["datacontenttype"] == "application/json" and isinstance(line["data"], dict) for line in lines)


def test_the_tail_writes_json_lines(product: Product, tmp_path: Path) -> None:
    """`tallystick audit tail --json` into a file: a line for each event, as the journal has them."""
    output = tmp_path / "tail"
    command = (*COMMAND, "audit", "tail", "--json", "--from", "1", "--no-follow")
    with Recipe(product, output, *command) as running:
        assert running.wait(SECONDS) == 0
    positions = [line["position"] for line in _lines(output)]

    assert _positions(product, f"position <= {positions[-1]}") == positions


def test_the_tail_needs_the_stream_alone(product: Product) -> None:
    """Who has nothing but the address of the audit user can follow the stream."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("TALLYSTICK_")}
    env |= {"TALLYSTICK_NATS_URL": product.run_info()["audit_nats_url"], "TALLYSTICK_HOME": "/nowhere"}
    command = (*COMMAND, "audit", "tail", "--json", "--from", "1", "--no-follow")
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=SECONDS)

    assert json.loads(ran.stdout.splitlines()[0])["position"] == 1

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from consumers.connection import NatsUnavailable, connected
from schema.envelope import STREAM_NAME
from service.doctor import nats as checks
from service.doctor.ask_nats import _synced, ask_nats
from service.doctor.facts import NatsFacts
from service.embedded.home import Home
from service.embedded.nats import _program
from service.journal.stream import Stream
from tests.nats_server import nats_server

USERS = {"users": [{"user": "tallystick", "password": "s3cret"}, {"user": "reader", "password": "reads"}]}


class Own(NamedTuple):
    """A server of the test's own making."""

    port: int
    monitoring: str

    def url(self, login: str = "") -> str:
        """How to reach it, as a user."""
        return f"nats://{login}127.0.0.1:{self.port}"


def _started(folder: Path, config: dict[str, Any]) -> subprocess.Popen[bytes]:
    folder.mkdir()
    settings = {"host": "127.0.0.1", "port": -1, "http": "127.0.0.1:-1", "ports_file_dir": str(folder)}
    (folder / "own.conf").write_text(json.dumps(settings | config))
    return subprocess.Popen([str(_program()), "-c", str(folder / "own.conf")], stderr=subprocess.DEVNULL)


@contextlib.asynccontextmanager
async def server(folder: Path, **config: Any) -> AsyncIterator[Own]:
    """A NATS server by a configuration of the test's own, on ports that it chooses."""
    process = _started(folder, config)
    try:
        async with asyncio.timeout(60):
            while not (written := list(folder.glob("*.ports"))):
                assert process.poll() is None
                await asyncio.sleep(0.02)
            while True:
                with contextlib.suppress(ValueError):  # it is being written
                    ports = json.loads(written[0].read_text())
                    break
                await asyncio.sleep(0.02)
        yield Own(int(ports["nats"][0].rpartition(":")[2]), ports["monitoring"][0])
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def jetstream(folder: Path, **more: Any) -> dict[str, Any]:
    """JetStream in a folder."""
    return {"jetstream": {"store_dir": str(folder), **more}}


def found(facts: NatsFacts) -> set[str]:
    """What is amiss."""
    return {each.id for each in checks.GROUP.findings(facts) if each.severity in {"fail", "warn"}}


async def test_the_embedded_server_is_well(tmp_path: Path) -> None:
    """Its accounts keep strangers out and readers from writing, its file says that it syncs, its stream is as made."""
    async with nats_server(tmp_path / "home") as running:
        home = Home(tmp_path / "home")
        before, _ = await ask_nats(running.url, running.audit_url, home, None, 1)
        stream = await Stream.connect(running.url)
        await stream.create(1, 1)
        await stream.close()
        after, clock = await ask_nats(running.url, running.audit_url, home, None, 1)

    assert found(before) == {"stream-missing"}
    assert before.audit_writes is False
    assert found(after) == set()
    assert (after.sync_always, after.sync_how) == (True, str(home.path / "nats.conf"))
    assert after.audit_writes is False
    assert clock is not None
    assert abs(clock.ahead) <= clock.within + 1


async def test_an_open_server_that_does_not_sync(tmp_path: Path) -> None:
    """Without accounts anybody gets in; its monitoring port tells that it syncs now and then."""
    async with server(tmp_path / "own", **jetstream(tmp_path / "store")) as own:
        facts, _ = await ask_nats(own.url(), None, Home(tmp_path), own.monitoring, 1)

    assert found(facts) == {"nats-no-authentication", "nats-not-synced", "stream-missing"}
    assert (facts.sync_always, facts.audit_writes) == (False, None)


async def test_one_account_in_which_the_reader_may_write(tmp_path: Path) -> None:
    """A reader who may publish into the stream is found, and nothing was stored by finding out."""
    config = jetstream(tmp_path / "store", sync_interval="always") | {"authorization": USERS}
    async with server(tmp_path / "own", **config) as own:
        url, reader = own.url("tallystick:s3cret@"), own.url("reader:reads@")
        stream = await Stream.connect(url)
        await stream.create(1, 1)
        facts, _ = await ask_nats(url, reader, Home(tmp_path), own.monitoring, 1)
        state = await stream.info()
        await stream.close()

    assert found(facts) == {"nats-audit-writes"}
    assert facts.sync_always is True
    assert state is not None
    assert state.messages == 0


async def test_a_reader_whose_password_is_another_one(tmp_path: Path) -> None:
    """Whether it could write is then unknown, and all else is told."""
    config = jetstream(tmp_path / "store", sync_interval="always") | {"authorization": USERS}
    async with server(tmp_path / "own", **config) as own:
        url, reader = own.url("tallystick:s3cret@"), own.url("reader:other@")
        facts, _ = await ask_nats(url, reader, Home(tmp_path), own.monitoring, 1)

    assert (facts.audit_writes, facts.sync_always, facts.open) == (None, True, False)


async def test_a_stream_that_somebody_changed(tmp_path: Path) -> None:
    """Settings of the stream that let messages expire are named."""
    config = jetstream(tmp_path / "store", sync_interval="always") | {"authorization": USERS}
    async with server(tmp_path / "own", **config) as own:
        url = own.url("tallystick:s3cret@")
        async with connected(url, "test") as connection:
            made = {"name": STREAM_NAME, "subjects": ["tally.v1.>"], "max_age": 10**12, "allow_direct": True}
            await connection.request(f"$JS.API.STREAM.CREATE.{STREAM_NAME}", made)
        facts, _ = await ask_nats(url, None, Home(tmp_path), own.monitoring, 3)

    assert found(facts) == {"stream-settings-differ", "stream-replicas-few"}
    assert set(facts.differs) == {"discard", "max_age", "allow_atomic", "deny_delete", "deny_purge"}


async def test_a_monitoring_port_that_does_not_answer(tmp_path: Path) -> None:
    """Whether it syncs is then unknown, and it is told where it was asked."""
    async with server(tmp_path / "own", **jetstream(tmp_path / "store")) as own:
        facts, _ = await ask_nats(own.url(), None, Home(tmp_path), "http://127.0.0.1:1", 1)

    assert (facts.sync_always, facts.sync_how) == (None, "http://127.0.0.1:1/varz does not tell")


@pytest.mark.parametrize(
    "said",
    [
        web.Response(status=307, headers={"location": "/true"}),
        web.json_response({"jetstream": {"config": []}}),
        web.json_response({"jetstream": {"config": {"sync_always": "yes"}}}),
        web.json_response([]),
        web.Response(text='{"more": ' + "[" * 100_000),
        web.json_response({"jetstream": {"config": {"sync_always": True}}, "more": "x" * 2_000_000}),
    ],
    ids=["elsewhere", "list", "text", "array", "deep", "long"],
)
async def test_a_monitoring_port_that_is_of_something_else(tmp_path: Path, said: web.Response) -> None:
    """What it says is not believed, nobody is asked elsewhere, and no more is read than a mebibyte."""

    async def varz(_: web.Request) -> web.Response:
        return said

    async def true(_: web.Request) -> web.Response:
        return web.json_response({"jetstream": {"config": {"sync_always": True}}})

    app = web.Application()
    app.router.add_get("/varz", varz)
    app.router.add_get("/true", true)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        assert await _synced("nats://127.0.0.1:1", Home(tmp_path), url, "") == (None, f"{url}/varz does not tell")
    finally:
        await runner.cleanup()


async def test_no_server_is_a_sentence_without_the_password(tmp_path: Path) -> None:
    """What cannot be reached is told without the password."""
    with pytest.raises(NatsUnavailable) as raised:
        await ask_nats("nats://me:s3cret@127.0.0.1:1", None, Home(tmp_path), None, 1)

    assert "s3cret" not in str(raised.value)

from __future__ import annotations

import asyncio
import datetime as dt
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psutil
import pytest

from schema.envelope import RecordedEvent
from service.audit import event_stream
from service.audit.frames import frame, pieces
from service.audit.live import Ring
from service.bootstrap import open_worker
from service.settings import Settings
from tests.audit.test_streams import positions_told
from tests.audit.world import EVENTS, Served, messages, noise, served, streaming
from tests.conftest import ISSUER, MASTER_KEY
from tests.journal.proxy import proxy
from tests.ports import free_port


def silent_reader(worker: Served, token: str) -> socket.socket:
    """A connection that asks for a stream and takes nothing of it."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    host, port = worker.url.removeprefix("http://").split(":")
    reader.connect((host, int(port)))
    request = f"GET {EVENTS} HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\nauthorization: Bearer {token}\r\n\r\n"
    reader.sendall(request.encode())
    return reader


async def grow(worker: Served, to: int) -> int:
    """Events until the journal has so many."""
    while (last := await worker.core.journal.head()) < to:
        await asyncio.gather(*(worker.append(*map(noise, range(50))) for _ in range(20)))
    return last


async def test_reader_that_takes_nothing_costs_nothing(worker: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it is bounded, others are not held up, its token still ends it, and so does its silence."""
    waiting: list[Any] = []
    put = event_stream._put

    async def observed(send: Any, piece: bytes) -> None:
        waiting.append(len(piece))
        await put(send, piece)
        waiting.pop()

    monkeypatch.setattr(event_stream, "_put", observed)
    token, other = await worker.token(), await worker.token()
    head = await grow(worker, 30_000)
    with silent_reader(worker, token):
        async with streaming(worker.http, other, after=head - 20_000) as response:
            head = await grow(worker, head + 2_000)
            assert list(range(head - 100, head + 1)) == (await positions_told(response, head))[-101:]
        assert 0 < sum(waiting) < 100_000
        await _until_streams(worker, 1)
        await worker.revoke(token)
        await _until_streams(worker, 0)
    monkeypatch.setattr(event_stream, "_STALLED", 0.2)
    with silent_reader(worker, other):
        await _until_streams(worker, 1)
        await _until_streams(worker, 0)


def _streams(worker: Served) -> int:
    return worker.core.audit._open


async def _until_streams(worker: Served, count: int) -> None:
    async with asyncio.timeout(60):
        while _streams(worker) != count:
            await asyncio.sleep(0.02)


def event(position: int) -> RecordedEvent:
    """An event at a position."""
    return RecordedEvent(
        position=position,
        stream=UUID(int=position),
        version=1,
        type="audit.read",
        client="a",
        data="{}",
        actor="a",
        source=None,
        trace=None,
        recorded_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    )


def test_what_is_held_of_live_events_is_bounded() -> None:
    """The ring forgets the oldest, by number and by size, and says so to who is that far behind."""
    ring = Ring(10, 4, 1_000_000)
    for position in range(11, 40):
        ring.add(event(position))
        held = ring.after(ring.begin)
        assert held is not None
        assert list(range(ring.begin + 1, position + 1)) == [one.event.position for one in held]
        assert len(held) <= 8
    assert ring.after(10) is None
    assert ring.after(39) == []
    small = Ring(0, 1_000, 4 * len(frame(event(1))))
    for position in range(1, 100):
        small.add(event(position))
    assert small.begin > 90
    small.add(event(200))
    assert (small.begin, small.after(150)) == (199, None)
    assert b"".join(pieces([b"x" * 20_000] * 5)) == b"x" * 100_000


async def test_outage_of_postgres_is_a_pause_or_an_end(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short one loses and repeats nothing; in a long one the stream ends cleanly, and its reader goes on later."""
    monkeypatch.setattr(event_stream, "_PATIENCE", 60.0)
    async with proxy(str(settings.database_url)) as wire:
        through = msgspec.structs.replace(settings, database_url=wire.url, commit_deadline=0.5)
        async with open_worker(through) as core, served(core) as worker:
            await worker.world.populate()
            token = await worker.token()
            async with streaming(worker.http, token) as response:
                told = messages(response)
                seen = [message.id async for message in _first(told, await core.journal.head())]
                wire.hold()
                wire.cut()
                await asyncio.sleep(0.5)
                wire.release()
                last = await _appended(worker)
                async with asyncio.timeout(60):
                    async for message in told:
                        seen += [message.id] if message.data else []
                        if message.id >= last:
                            break
                assert list(range(1, last + 1)) == seen
                monkeypatch.setattr(event_stream, "_PATIENCE", 1.0)
                wire.hold()
                wire.cut()
                async with asyncio.timeout(60):
                    assert [message async for message in told if message.data] == []
            wire.release()
            last = await _appended(worker)
            async with streaming(worker.http, token, {"last-event-id": str(seen[-1])}) as response:
                assert list(range(seen[-1] + 1, last + 1)) == await positions_told(response, last)


async def _first(told: Any, position: int) -> Any:
    async for message in told:
        if message.data:
            yield message
        if message.id >= position:
            return


async def _appended(worker: Served) -> int:
    async with asyncio.timeout(60):
        while True:
            try:
                last = (await worker.append(noise(0))).last
                await worker.core.follower.refresh()
            except Exception:  # noqa: BLE001 it takes a moment until it is connected again
                await asyncio.sleep(0.1)
            else:
                return last


async def test_serve_stops_at_once(tmp_path: Path, settings: Settings) -> None:
    """`tallystick serve` ends within its grace, though one stream is read, and another is not."""
    environment = {
        "TALLYSTICK_DATABASE_URL": str(settings.database_url),
        "TALLYSTICK_ISSUER": ISSUER,
        "TALLYSTICK_MASTER_KEY": MASTER_KEY,
        "TALLYSTICK_HOME": str(tmp_path),
    }
    async with open_worker(settings) as core, served(core) as first:
        await first.world.populate()
        token = await first.token()
        await grow(first, 20_000)
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "service.cli.main", "serve", "--port", str(port), env=environment
        )
        try:
            second = first._replace(url=f"http://127.0.0.1:{port}")
            await _until_listening(port)
            first.http.base_url = second.url
            with silent_reader(second, token):
                async with streaming(first.http, token) as response:
                    told = response.aiter_raw()
                    await anext(told)
                    psutil.Process(process.pid).send_signal(signal.SIGTERM)
                    began = time.monotonic()
                    async with asyncio.timeout(8):
                        async for _ in told:
                            pass
                        assert await process.wait() == 0
                assert time.monotonic() - began < 8
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _until_listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            await asyncio.sleep(0.1)

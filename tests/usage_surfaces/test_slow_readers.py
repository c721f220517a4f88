"""What readers of figures may take from a worker: places, memory and time, all of them bounded."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from service.bootstrap import open_worker
from service.http.slow import sent_within
from service.own_api.scopes import USAGE_READ
from service.settings import Settings
from service.usage import endpoints
from service.usage.figures import Question
from service.usage.reading import Figures, UsageReader
from tests.audit.world import bearer, served
from tests.usage_surfaces.used import Used

pytestmark = pytest.mark.asyncio(loop_scope="session")

BODY = b"x" * 20_000_000


def silent_reader(used: Used) -> socket.socket:
    """A connection that asks for figures and takes nothing of them."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    host, port = used.worker.url.removeprefix("http://").split(":")
    reader.connect((host, int(port)))
    reader.sendall(f"GET /usage/figures HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {used.token}\r\n\r\n".encode())
    return reader


class Reading:
    """Counts the questions whose answers were begun."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = 0
        read = UsageReader.read

        async def counted(reader: UsageReader, question: Question) -> Figures:
            self.begun += 1
            return await read(reader, question)

        monkeypatch.setattr(UsageReader, "read", counted)
        monkeypatch.setattr(endpoints, "rendered", lambda *_: BODY)

    async def until_begun(self, count: int) -> None:
        """Return once so many were begun."""
        async with asyncio.timeout(60):
            while self.begun < count:
                await asyncio.sleep(0.02)


async def test_a_place_is_kept_until_the_answer_is_sent(used: Used, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two readers that take nothing hold two answers in memory and no third one, until one of them leaves."""
    reading = Reading(monkeypatch)
    with silent_reader(used) as first, silent_reader(used):
        await reading.until_begun(2)
        third = asyncio.create_task(used.get("figures"))
        await asyncio.wait({third}, timeout=0.5)
        assert (reading.begun, third.done()) == (2, False)
        first.close()
        assert (await asyncio.wait_for(third, 30)).content == BODY


async def test_a_reader_that_takes_nothing_is_cut_off(used: Used, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has its place for a bounded time, after which another has it."""
    limits, cut_off = iter((0.5, 0.5, 60.0)), asyncio.Semaphore(0)

    async def limited(_: float, *what: Any) -> None:
        await sent_within(next(limits), *what)
        cut_off.release()

    monkeypatch.setattr(endpoints, "sent_within", limited)
    reading = Reading(monkeypatch)
    with silent_reader(used) as first, silent_reader(used) as second:
        await reading.until_begun(2)
        assert (await asyncio.wait_for(used.get("figures"), 60)).content == BODY
        async with asyncio.timeout(60):
            for _ in "123":
                await cut_off.acquire()
        for reader in (first, second):
            assert await asyncio.to_thread(_taken, reader) < len(BODY)


def _taken(reader: socket.socket) -> int:
    """How much comes until the connection ends."""
    reader.settimeout(60)
    taken = 0
    try:
        while piece := reader.recv(1_000_000):
            taken += len(piece)
    except ConnectionResetError:
        pass
    return taken


async def test_a_token_that_ends_meanwhile_gets_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Revoked while the figures were read, it is refused as it would be now (promise 4), and gives its place back."""
    async with open_worker(settings) as core, served(core) as worker:
        await worker.world.populate()
        tokens = [await worker.token(USAGE_READ) for _ in range(4)]
        revoked = iter(tokens[:3])

        async def read_and_revoked(reader: UsageReader, question: Question) -> Figures:
            figures = await read(reader, question)
            if (token := next(revoked, None)) is not None:
                await worker.revoke(token)
            return figures

        read = UsageReader.read
        monkeypatch.setattr(UsageReader, "read", read_and_revoked)
        answers = [await worker.http.get("/usage/figures", headers=bearer(token)) for token in tokens]
    assert [answered.status_code for answered in answers] == [401, 401, 401, 200]
    assert 'error="invalid_token"' in answers[0].headers["www-authenticate"]

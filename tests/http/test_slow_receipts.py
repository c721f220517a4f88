"""What a slow or greedy client is told is an event where it was a request, and none where it never became one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from service.endpoints.core import Core
from service.http.app import create_app
from service.http.connections import ConnectionLimits, Connections
from service.http.server import listen, server_of
from tests.http.limited import Peer

FORM = b"POST /oauth2/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n"
LIMITS = ConnectionLimits(header_timeout=0.2, body_timeout=0.2)


@pytest.fixture
async def address(core: Core) -> AsyncIterator[tuple[str, int]]:
    """Where a worker listens whose clients have little time."""
    listener = listen("127.0.0.1", 0)
    server = server_of(create_app(core), None, Connections(LIMITS, every=0.1))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield listener.getsockname()
    server.should_exit = True
    await serving


async def refused(core: Core) -> list[str]:
    """The reasons of the refusals in the journal."""
    rows = await core.journal.fetch("SELECT data::text FROM journal.events WHERE type = 'access.rejected'")
    return [msgspec.json.decode(row[0])["reason"] for row in rows]


def told(address: tuple[str, int], said: bytes) -> list[int]:
    """The statuses that a peer gets."""
    with Peer(address) as peer:
        return peer.send(said).until_closed().statuses


async def test_a_body_that_does_not_come_is_a_refused_access(core: Core, address: tuple[str, int]) -> None:
    """The request was there: the endpoint journals that the rest was not."""
    assert await asyncio.to_thread(told, address, FORM + b"content-length: 10\r\n\r\nabc") == [408]
    async with asyncio.timeout(60):
        while await refused(core) != ["disconnected"]:
            await asyncio.sleep(0.02)


async def test_a_body_that_is_too_large_is_a_refused_access(core: Core, address: tuple[str, int]) -> None:
    """Before it is read, by the endpoint."""
    assert await asyncio.to_thread(told, address, FORM + b"content-length: 900000\r\n\r\n" + b"a" * 900_000) == [400]
    assert await refused(core) == ["too_large"]


@pytest.mark.parametrize("said", [FORM, b"POST /oauth2/token HTTP/1.1\r\n\r\n", FORM + b"x: " + b"a" * 40_000])
async def test_what_was_no_request_is_no_event(core: Core, address: tuple[str, int], said: bytes) -> None:
    """Nobody's access was refused."""
    assert (await asyncio.to_thread(told, address, said))[0] in {400, 408, 431}
    assert await refused(core) == []

"""A connection to NATS, and those who are cancelled while they use it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from nats.aio.client import Client

from consumers.connection import NatsUnavailable, connect, connected
from tests.nats_server import NatsServer


async def hard_of_hearing(work: Coroutine[Any, Any, None], entered: asyncio.Event) -> None:
    """Do `work`, but forget a cancellation, as `asyncio.wait_for` of Python 3.11 may."""
    entered.set()
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await work


class SlowToConnect(Client):
    """Forgets the cancellation that comes while it connects."""

    def __init__(self, entered: asyncio.Event) -> None:
        super().__init__()
        self._entered = entered

    async def connect(self, *args: Any, **options: Any) -> None:
        """Connect, whatever happens."""
        await hard_of_hearing(super().connect(*args, **options), self._entered)


class SlowToClose(Client):
    """Forgets the cancellation that comes while it closes."""

    def __init__(self, entered: asyncio.Event) -> None:
        super().__init__()
        self._entered = entered

    async def close(self) -> None:
        """Close, whatever happens."""
        await hard_of_hearing(super().close(), self._entered)


@pytest.mark.parametrize("kind", [SlowToConnect, SlowToClose])
async def test_a_cancellation_is_never_forgotten(nats: NatsServer, kind: Any) -> None:
    """Who is cancelled while nats-py connects or closes ends as cancelled, and the connection is closed."""
    entered = asyncio.Event()
    client = kind(entered)

    async def use() -> None:
        async with connected(nats.url, "test", 30.0, client):
            pass

    user = asyncio.create_task(use())
    await entered.wait()
    user.cancel()
    await asyncio.wait((user,))
    assert user.cancelled()
    assert not client.is_connected


async def test_who_waits_too_long_is_told(nats: NatsServer) -> None:
    """A server that does not let the client in within the time is reported as such; the client is closed."""
    client = SlowToConnect(asyncio.Event())
    with pytest.raises(NatsUnavailable, match="no connection to NATS: TimeoutError"):
        await connect(nats.url, "test", 0.2, client)
    assert not client.is_connected

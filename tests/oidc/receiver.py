"""A client's back-channel logout endpoint on loopback: keeps what it is sent and answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web


class Received(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    form: dict[str, str]


class Receiver:
    """Answers with `statuses` one after the other, then with the last of them; headers are the same each time.

    While `silent` is set it does not answer at all.
    """

    def __init__(self) -> None:
        self.uri = ""
        self.statuses = [200]
        self.headers: dict[str, str] = {}
        self.body = b""
        self.received: list[Received] = []
        self.silent = False
        self.closing = asyncio.Event()
        self.heard = asyncio.Event()

    @property
    def tokens(self) -> list[str]:
        """The logout tokens that came."""
        return [each.form["logout_token"] for each in self.received]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Keep a request and answer it."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.received.append(Received(request.path, dict(request.headers), form))
        self.heard.set()
        if self.silent:
            await self.closing.wait()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status, headers=self.headers, body=self.body)


@asynccontextmanager
async def open_receiver() -> AsyncIterator[Receiver]:
    """A running receiver."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.uri = f"http://127.0.0.1:{runner.addresses[0][1]}/backchannel"
    try:
        yield receiver
    finally:
        receiver.closing.set()
        await runner.cleanup()

"""A webhook's endpoint on loopback: keeps what it is sent, verifies it by Standard Webhooks' library, answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web
from standardwebhooks import Webhook as Verifier

from service.webhooks.secrets import written

SECRET = bytes(range(32))


class Received(NamedTuple):
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def position(self) -> int:
        """The position of the event."""
        return int(json.loads(self.body)["id"])

    @property
    def stream(self) -> str:
        """The stream of the event."""
        return str(json.loads(self.body)["subject"])

    def verified(self, secret: bytes = SECRET) -> Any:
        """The body, once its signature is found good. Raises WebhookVerificationError."""
        return Verifier(written(secret)).verify(self.body, self.headers)


class Receiver:
    """Answers as `answer` says, which may also wait; by default 204. `taken` are the positions that it said yes to."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Received] = []
        self.taken: list[Received] = []
        self.answer: Callable[[Received], web.StreamResponse | int] = lambda _: 204
        self.delay: Callable[[], float] = lambda: 0.0
        self.hanging = False
        self.under_way = 0
        self.most_under_way = 0
        self.closing = asyncio.Event()

    @property
    def positions(self) -> list[int]:
        """What it took, in the order in which it did, without repeats."""
        return list(dict.fromkeys(each.position for each in self.taken))

    def in_order(self) -> bool:
        """Whether what it took came in order for each stream, leaving out what it had before."""
        last: dict[str, int] = {}
        seen: set[int] = set()
        for each in self.taken:
            if each.position not in seen and each.position < last.get(each.stream, 0):
                return False
            seen.add(each.position)
            last[each.stream] = max(last.get(each.stream, 0), each.position)
        return True

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Keep a request and answer it."""
        received = Received(request.path, dict(request.headers), await request.read())
        self.received.append(received)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.hanging:
                await self.closing.wait()
            if seconds := self.delay():
                await asyncio.sleep(seconds)
            answer = self.answer(received)
        finally:
            self.under_way -= 1
        response = web.Response(status=answer) if isinstance(answer, int) else answer
        if 200 <= response.status < 300:
            self.taken.append(received)
        return response


@asynccontextmanager
async def open_receiver(port: int = 0) -> AsyncIterator[Receiver]:
    """A running receiver."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    try:
        yield receiver
    finally:
        receiver.closing.set()
        await runner.cleanup()

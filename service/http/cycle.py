"""One request and its answer: what an ASGI application gets for `receive` and `send` (ASGI 3, spec version 2.3)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Any, Protocol

from litestar.types import ASGIApp

from service.http.flow import Flow
from service.http.head import STATUS_LINE, Header, header_lines
from service.http.refusals import FAILED
from service.http.response import WHOLE

log = logging.getLogger(__name__)

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_HIGH_WATER = 65_536
"""Octets of a body that wait for the application, after which no more is read."""
_BODILESS = frozenset({204, 304})
_DISCONNECT = {"type": "http.disconnect"}


class Answering(Protocol):
    """The connection, as the answer of a request sees it."""

    transport: asyncio.Transport
    flow: Flow

    @property
    def date(self) -> bytes:
        """The header line that tells the time."""

    def has_enough(self) -> None:
        """More of a body has come than should wait for the application. Raises Refused where reading must go on."""

    def was_not_asked(self) -> None:
        """The body that a client would send once it is asked to is not asked for: after this answer all ends."""

    def on_response_complete(self) -> None:
        """The answer is written; behind it the connection ends where `keep_alive` is not so."""


class Cycle:
    """A request on a connection. `more_body` tells whether there is more of its body to come, `complete` whether all of
    its answer is written, `waits` whether the application waits for more of the body, or for the end of the connection.
    """

    __slots__ = (
        "_bodiless",
        "_chunked",
        "_connection",
        "_held",
        "_left",
        "_news",
        "_parts",
        "_some_news",
        "complete",
        "disconnected",
        "keep_alive",
        "more_body",
        "scope",
        "started",
        "task",
        "waiting_for_100_continue",
        "waits",
    )

    def __init__(self, connection: Answering, scope: Any, *, keep_alive: bool, expect_100_continue: bool) -> None:
        self._connection = connection
        self.scope = scope
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = expect_100_continue
        self.disconnected = False
        self.more_body = True
        self.started = False
        self.complete = False
        self.waits = False
        self.task: asyncio.Task[None] | None = None
        self._parts: list[bytes] = []
        self._held = 0
        self._bodiless = False
        self._chunked = False
        self._left: int | None = None
        self._news = False
        self._some_news: asyncio.Event | None = None

    # --- what the connection tells -------------------------------------------------------------------------------

    def feed(self, part: bytes) -> None:
        """More of the body has come."""
        if self.complete:
            return
        self._parts.append(part)
        self._held += len(part)
        if self._held > _HIGH_WATER:
            self._connection.has_enough()
        self.tell()

    def end(self) -> None:
        """The body has come to its end."""
        if not self.complete:
            self.more_body = False
            self.tell()

    def disconnect(self) -> None:
        """Nothing is read or written any more."""
        self.disconnected = True
        self.tell()

    def tell(self) -> None:
        """Let the application look again at what there is."""
        self._news = True
        if self._some_news is not None:
            self._some_news.set()

    # --- what the application does -------------------------------------------------------------------------------

    async def run(self, app: ASGIApp, running: set[Cycle]) -> None:
        """Let the application answer, being `running` meanwhile. Where it fails, the peer is told; the log has why."""
        try:
            await app(self.scope, self.receive, self.send)
            if not self.complete and not self.disconnected:
                raise RuntimeError("the application left its answer incomplete")
        except asyncio.CancelledError:
            if not self.complete:
                self._connection.transport.abort()
            raise
        except Exception:
            log.exception("an answer failed")
            if not self.complete and not self.disconnected:  # else the connection may serve another by now
                self._fail()
        finally:
            self.task = None
            running.discard(self)

    def _fail(self) -> None:
        """Say so, where nothing was said yet, and let the connection end."""
        if not self.started:
            head, end, body = FAILED.answer().partition(b"\r\n\r\n")
            self._connection.transport.write(head + end + (b"" if self.scope["method"] == "HEAD" else body))
        self.keep_alive = False
        self._finish()

    async def receive(self) -> Any:
        """The part of the body that has come since, once there is one; else that the peer is gone, or answered."""
        connection = self._connection
        if self.waiting_for_100_continue and not connection.transport.is_closing():
            connection.transport.write(_CONTINUE)
            self.waiting_for_100_continue = False
        if not self.disconnected and not self.complete:
            connection.flow.resume_reading()
            if not self._news:
                if self._some_news is None:
                    self._some_news = asyncio.Event()
                self.waits = True
                await self._some_news.wait()
                self.waits = False
                self._some_news.clear()
            self._news = False
        if self.disconnected or self.complete:
            return _DISCONNECT
        body = b"".join(self._parts)
        self._parts.clear()
        self._held = 0
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Any) -> None:
        """Write a part of the answer, once there is room for it."""
        flow = self._connection.flow
        if flow.write_paused and not self.disconnected:
            await flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if self.complete:
            raise RuntimeError(f"{kind} comes after the end of the answer")
        if kind == WHOLE and not self.started:
            self._send_whole(message["status"], message["head"], message["body"])
        elif kind == "http.response.start" and not self.started:
            self._start(message["status"], message.get("headers", ()))
        elif kind == "http.response.body" and self.started:
            self._go_on(message.get("body", b""), last=not message.get("more_body", False))
        else:
            raise RuntimeError(f"{kind} is not what comes next of an answer")

    def _send_whole(self, status: int, lines: bytes, body: bytes) -> None:
        if status not in _BODILESS:
            lines = b"%bcontent-length: %d\r\n" % (lines, len(body))
        head = self._head(status, lines)
        self._connection.transport.write(head if self._bodiless else head + body)
        self._finish()

    def _start(self, status: int, headers: Collection[Header]) -> None:
        lines = header_lines(headers)
        for name, value in headers:
            if name == b"content-length":
                self._left = int(value)
        if self._left is None and status not in _BODILESS and self.scope["method"] != "HEAD":
            self._chunked = self.scope["http_version"] == "1.1"
            if self._chunked:
                lines += b"transfer-encoding: chunked\r\n"
            else:
                self.keep_alive = False
        self._connection.transport.write(self._head(status, lines))

    def _head(self, status: int, lines: bytes) -> bytes:
        """Begin the answer."""
        unasked = self.waiting_for_100_continue and self.more_body
        closing = b"connection: close\r\n" if unasked or not self.keep_alive else b""
        head = b"".join((STATUS_LINE[status], self._connection.date, lines, closing, b"\r\n"))
        self._bodiless = status in _BODILESS or self.scope["method"] == "HEAD"
        self.started = True
        self.waiting_for_100_continue = False
        if unasked:
            self._connection.was_not_asked()
        return head

    def _go_on(self, body: bytes, *, last: bool) -> None:
        if not self._bodiless:
            self._write(body, last=last)
        if last:
            self._finish()

    def _write(self, body: bytes, *, last: bool) -> None:
        if self._chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"0\r\n\r\n" if last else b"")
        elif self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (last and self._left):
                raise RuntimeError("an answer is not as long as it was said to be")
        if body:
            self._connection.transport.write(body)

    def _finish(self) -> None:
        self.complete = True
        if self._parts:
            self._parts.clear()
        self.tell()
        self._connection.on_response_complete()

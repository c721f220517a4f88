"""Who asks before it sends a body (RFC 9110 section 10.1.1) never has its next request taken for that body."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from litestar.types import Receive, Scope, Send

from service.http.connections import ConnectionLimits
from tests.http.limited import GET, PATIENCE, answer, eventually, limited

LIMITS = ConnectionLimits(header_timeout=3_600, body_timeout=3_600, idle=3_600)
LAST = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


async def hasty(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers at once, or once it has read the body, or a piece of it, by the path."""
    known: Any = scope
    while known["path"] != "/now":
        message: Any = await receive()
        if known["path"] == "/early" or not message.get("more_body"):
            break
    await answer(send, b"answered\n")


ASKS_FIRST = b"POST %b HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n%b\r\n"


@pytest.mark.parametrize("expect", [b"100-continue", b"100-Continue, x", b"x"])
@pytest.mark.parametrize("body", [b"content-length: 26\r\n", b"transfer-encoding: chunked\r\n"])
def test_a_body_that_was_not_asked_for_is_not_waited_for(body: bytes, expect: bytes) -> None:
    """The client that asked first may send it or not: what comes next is nobody's body, and no request either."""
    with limited(LIMITS, hasty) as server, server.peer() as peer:
        peer.send((ASKS_FIRST % (b"/now", body)).replace(b"100-continue", expect)).until(b"answered\n")
        assert b"\r\nconnection: close\r\n" in peer.read
        assert peer.send(GET).until_closed().statuses == [200]


def test_a_body_that_was_not_asked_for_and_comes_changes_nothing() -> None:
    """What the answer says of the connection is kept to, whatever was asked behind that body."""
    begun, go_on = threading.Event(), threading.Event()

    async def halting(_: Scope, __: Receive, send: Send) -> None:
        start: Any = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]}
        end: Any = {"type": "http.response.body", "body": b"answered\n", "more_body": False}
        await send(start)
        begun.set()
        await asyncio.to_thread(go_on.wait, PATIENCE)
        await send(end)

    with limited(LIMITS, halting) as server, server.peer() as peer:
        peer.send(ASKS_FIRST % (b"/", b"content-length: 3\r\n")).until(b"\r\nconnection: close\r\n")
        assert begun.wait(PATIENCE)
        peer.send(b"abc" + GET * 2)
        connection: Any = next(iter(server.connections._open))
        eventually(lambda: connection._waiting == 3)
        go_on.set()
        assert peer.until_closed().statuses == [200]
        eventually(lambda: len(server.connections) == 0)


def test_a_client_is_told_to_go_on_once() -> None:
    """However often the application reads on."""
    took: list[bytes] = []

    async def reading(_: Scope, receive: Receive, send: Send) -> None:
        while sum(map(len, took)) < 3:
            message: Any = await receive()
            took.append(message["body"])
        await answer(send, b"answered\n")

    with limited(LIMITS, reading) as server, server.peer() as peer:
        peer.send(ASKS_FIRST % (b"/", b"content-length: 3\r\n"))
        for number, part in enumerate((b"a", b"b", b"c"), 1):
            peer.send(part)
            eventually(lambda number=number: len(took) == number)  # type: ignore[misc]  # a default of a lambda
        assert peer.until(b"answered\n").statuses == [100, 200]


def test_an_old_client_is_not_told_to_go_on() -> None:
    """HTTP/1.0 knows no interim answers, so there it is no question (RFC 9110 section 10.1.1)."""
    old = (ASKS_FIRST % (b"/all", b"content-length: 3\r\n")).replace(b"HTTP/1.1", b"HTTP/1.0")
    with limited(LIMITS, hasty) as server:
        assert server.asked(old + b"abc").statuses == [200]


@pytest.mark.parametrize(
    ("path", "length", "body"), [(b"/all", b"3", b"abc"), (b"/early", b"3", b"abc"), (b"/now", b"0", b"")]
)
def test_a_client_that_asks_first_may_ask_again(path: bytes, length: bytes, body: bytes) -> None:
    """Where it was told to go on, read or not, or where there is nothing to send."""
    with limited(LIMITS, hasty) as server, server.peer() as peer:
        peer.send(ASKS_FIRST % (path, b"content-length: " + length + b"\r\n"))
        if body:
            peer.until(b"HTTP/1.1 100 Continue\r\n\r\n").send(body)
        peer.until(b"answered\n")
        peer.send(LAST).until_closed()
        assert [status for status in peer.statuses if status != 100] == [200, 200]

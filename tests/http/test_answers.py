"""What an application sends is one answer as RFC 9112 has it, or the peer is told that it failed."""

from __future__ import annotations

import asyncio
import re
import threading
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from litestar.types import ASGIApp, Receive, Scope, Send

from service.http.connections import ConnectionLimits
from service.http.response import WHOLE
from tests.http.limited import GET, PATIENCE, Limited, limited

LIMITS = ConnectionLimits(header_timeout=3_600, body_timeout=3_600, idle=3_600)
HEAD = GET.replace(b"GET", b"HEAD")
OLD = b"GET / HTTP/1.0\r\n\r\n"
_DATE = re.compile(rb"date: ([^\r]+)\r\n")


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Any:
    """The message that begins an answer."""
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(part: bytes, *, more: bool = False) -> Any:
    """The message with a part of its body."""
    return {"type": "http.response.body", "body": part, "more_body": more}


def whole(part: bytes, head: bytes = b"", status: int = 200) -> Any:
    """The message with all of it."""
    return {"type": WHOLE, "status": status, "head": head, "body": part}


def length(octets: int) -> tuple[bytes, bytes]:
    """The header that says how long the body is."""
    return b"content-length", b"%d" % octets


def sending(*messages: Any) -> ASGIApp:
    """An application that sends these; at any path but `/` it answers as it should."""

    async def app(scope: Scope, _: Receive, send: Send) -> None:
        known: Any = scope
        for message in messages if known["path"] == "/" else (whole(b"well\n"),):
            await send(message)

    return app


def told(server: Limited, asked: bytes) -> bytes:
    """What a peer gets that asks this, and then something else, where the connection is still open; without dates."""
    next_one = GET.replace(b"/ ", b"/next ").replace(b"host", b"connection: close\r\nhost")
    return _DATE.sub(b"", server.asked(asked + (b"" if asked == OLD else next_one)).read)


WELL = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nwell\n"
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKS = b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("asked", "messages", "answer"),
    [
        (
            GET,
            (start(), body(b"ab", more=True), body(b"", more=True), body(b"c" * 17)),
            b"2\r\nab\r\n11\r\n%b\r\n0\r\n\r\n",
        ),
        (GET, (start(), body(b"ab", more=True), body(b"")), b"2\r\nab\r\n0\r\n\r\n"),
        (GET, (start(), body(b"")), b"0\r\n\r\n"),
    ],
)
def test_a_body_of_no_known_length_comes_in_chunks(asked: bytes, messages: tuple[Any, ...], answer: bytes) -> None:
    """RFC 9112 section 7.1; an empty part is no chunk, which would be the last."""
    expected = answer.replace(b"%b", b"c" * 17)
    with limited(LIMITS, sending(*messages)) as server:
        assert told(server, asked) == OK + CHUNKS + expected + WELL


def test_an_old_client_reads_such_a_body_to_the_end_of_the_connection() -> None:
    """HTTP/1.0 knows no chunks."""
    with limited(LIMITS, sending(start(), body(b"ab", more=True), body(b"c"))) as server:
        assert told(server, OLD) == OK + b"connection: close\r\n\r\nabc"


@pytest.mark.parametrize("parts", [(b"abc",), (b"ab", b"", b"c")])
def test_a_body_of_known_length_comes_as_it_is(parts: tuple[bytes, ...]) -> None:
    """In one part or more."""
    messages = [body(part, more=True) for part in parts[:-1]] + [body(parts[-1])]
    with limited(LIMITS, sending(start(length(3), (b"x", b"y")), *messages)) as server:
        assert told(server, GET) == OK + b"content-length: 3\r\nx: y\r\n\r\nabc" + WELL


def test_a_whole_answer_is_sent_at_once() -> None:
    """With the header lines that it brings, and its length."""
    with limited(LIMITS, sending(whole(b"abc", b"x: y\r\n", 403))) as server:
        assert told(server, GET) == b"HTTP/1.1 403 Forbidden\r\nx: y\r\ncontent-length: 3\r\n\r\nabc" + WELL
        old = b"HTTP/1.1 403 Forbidden\r\nx: y\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc"
        assert told(server, OLD) == old


@pytest.mark.parametrize(
    ("messages", "lines"),
    [
        ((whole(b"abc"),), b"content-length: 3\r\n"),
        ((start(length(3)), body(b"abc")), b"content-length: 3\r\n"),
        ((start(), body(b"ab", more=True), body(b"c")), b""),
        ((start(length(3)), body(b"")), b"content-length: 3\r\n"),
    ],
)
def test_head_is_answered_without_the_body(messages: tuple[Any, ...], lines: bytes) -> None:
    """But with its length, where that is known (RFC 9110 section 9.3.2); what follows is the next answer."""
    with limited(LIMITS, sending(*messages)) as server:
        assert told(server, HEAD) == OK + lines + b"\r\n" + WELL


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("at_once", [True, False])
def test_some_answers_have_no_body_and_no_length(status: int, at_once: bool) -> None:
    """Whatever the application sends with them (RFC 9112 section 6.3)."""
    messages = (whole(b"abc", status=status),) if at_once else (start(status=status), body(b"abc"))
    with limited(LIMITS, sending(*messages)) as server:
        line = {204: b"HTTP/1.1 204 No Content\r\n", 304: b"HTTP/1.1 304 Not Modified\r\n"}[status]
        assert told(server, GET) == line + b"\r\n" + WELL


def test_every_answer_tells_the_time() -> None:
    """Once, as RFC 9110 section 5.6.7 has it."""
    for messages in ((whole(b"abc"),), (start(length(3)), body(b"abc"))):
        with limited(LIMITS, sending(*messages)) as server, server.peer() as peer:
            (date,) = _DATE.findall(peer.send(GET).until(b"abc").read)
            assert date.endswith(b" GMT")
            assert parsedate_to_datetime(date.decode()).tzinfo is not None


SPLIT = b"a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize("asked", [GET, HEAD])
@pytest.mark.parametrize(
    "messages",
    [
        (),
        (body(b"abc"), start(length(3)), body(b"abc")),
        ({"type": "http.response.trailers"},),
        (start(status=999), body(b"")),
        (start(length(3), (b"location", SPLIT)), body(b"abc")),
        (start((b"x\r\ny", b"z")), body(b"abc")),
        (start((b"x", b"y\nz")), body(b"abc")),
        (start((b"x", b"y\rz")), body(b"abc")),
        (start((b"x", b"y\0z")), body(b"abc")),
        (start((b"content-length", b"three")), body(b"abc")),
    ],
)
def test_what_fails_before_it_begins_is_500(
    messages: tuple[Any, ...], asked: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A problem that says nothing of why, which the log does; of what would have split an answer nothing is sent."""
    with limited(LIMITS, sending(*messages)) as server:
        head, _, content = told(server, asked).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/problem+json\r\n")
    assert head.endswith(b"connection: close")
    assert b"200 OK" not in head + content
    said = (
        b'{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"The service failed to answer."}'
    )
    assert content == (b"" if asked == HEAD else said)
    assert [record.message for record in caplog.records] == ["an answer failed"]


@pytest.mark.parametrize(
    ("messages", "answer"),
    [
        ((start(length(3)),), b"content-length: 3\r\n\r\n"),
        ((start(length(3)), body(b"ab")), b"content-length: 3\r\n\r\n"),
        ((start(length(3)), body(b"ab", more=True), body(b"cd")), b"content-length: 3\r\n\r\nab"),
        ((start(length(3)), body(b"ab", more=True), start(), body(b"c")), b"content-length: 3\r\n\r\nab"),
        ((start(length(3)), whole(b"abc"), body(b"abc")), b"content-length: 3\r\n\r\n"),
        ((start(), body(b"ab", more=True)), CHUNKS + b"2\r\nab\r\n"),
    ],
)
def test_what_fails_on_its_way_is_not_ended_as_if_it_were_whole(
    messages: tuple[Any, ...], answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection ends in its midst, and nothing more than was said comes."""
    with limited(LIMITS, sending(*messages)) as server:
        assert told(server, GET) == OK + answer
    assert [record.message for record in caplog.records] == ["an answer failed"]


@pytest.mark.parametrize("late", [body(b"more"), whole(b"again"), None])
def test_what_fails_behind_its_answer_harms_no_other(late: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The next request is answered by then, or is being answered."""
    failed = threading.Event()

    async def app(scope: Scope, _: Receive, send: Send) -> None:
        known: Any = scope
        if known["path"] == "/":
            await send(whole(b"first"))
            try:
                if late is None:
                    raise ValueError
                await send(late)
            finally:
                failed.set()
        else:
            assert failed.is_set()
            await send(whole(b"well\n"))

    with limited(LIMITS, app) as server:
        assert told(server, GET) == OK + b"content-length: 5\r\n\r\nfirst" + WELL
        assert failed.wait(PATIENCE)
    assert [record.message for record in caplog.records] == ["an answer failed"]


def test_a_request_that_is_cancelled_ends_its_connection() -> None:
    """Nobody would answer it any more."""

    async def cancelled(_: Scope, __: Receive, ___: Send) -> None:
        raise asyncio.CancelledError

    with limited(LIMITS, cancelled) as server:
        assert told(server, GET) == b""

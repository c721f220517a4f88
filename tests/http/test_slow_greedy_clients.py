"""Who sends or wants too much gets an answer that says so, where it can be told, and the connection ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from litestar.types import Receive, Scope, Send

from service.errors import Rejection
from service.http.connections import ConnectionLimits
from service.http.request import HttpRequest
from service.settings import Settings
from tests.http.limited import GET, POST, Limited, answer, limited

LIMITS = ConnectionLimits(header=8_192, body=8_192, header_timeout=3_600, body_timeout=3_600, idle=3_600)
CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
FIELD = b"x: %b\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Limited]:
    """One server whose limits of sizes are small."""
    with limited(LIMITS) as running:
        yield running


def request(*fields: bytes, target: bytes = b"/") -> bytes:
    """A request with these headers more."""
    return b"GET " + target + b" HTTP/1.1\r\nhost: x\r\n" + b"".join(fields) + b"\r\n"


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request(FIELD % (b"a" * 8_000)), 200),
        (request(FIELD % (b"a" * 8_200)), 431),
        (request(FIELD % (b"a" * 1_000_000)), 431),
        (request(*[FIELD % b"a"] * 99), 200),
        (request(*[FIELD % b"a"] * 100), 431),
        (request(*[b"%b: b\r\n" % (b"a" * 500)] * 20), 431),
        (request(b"a" * 1_000_000 + b": b\r\n"), 431),
        (request(target=b"/" + b"a" * 8_000), 200),
        (request(target=b"/" + b"a" * 20_000), 414),
        (request(target=b"/?" + b"a" * 1_000_000), 414),
    ],
)
def test_headers_beyond_the_limit_are_refused(server: Limited, asked: bytes, status: int) -> None:
    """By their size together, by their number, by the address's length; what is just within is answered."""
    assert server.asked(asked + request(b"connection: close\r\n")).statuses[0] == status


@pytest.mark.parametrize("begun", [b"GET /", b"GET / HTTP/1.1\r\nx: ", b"GET / HTTP/1.1\r\n"])
def test_headers_without_end_are_refused_before_they_end(server: Limited, begun: bytes) -> None:
    """Nothing is kept of them beyond the limit, in however many pieces they come."""
    with server.peer() as peer:
        peer.send(begun)
        while len(peer.statuses) == 0 and len(peer.read) == 0:
            peer.send(b"x" * 1_000 if begun != b"GET / HTTP/1.1\r\n" else b"x: yyy\r\n" * 50)
            peer.socket.settimeout(0.01)
            try:
                peer.read += peer.socket.recv(65_536)
            except TimeoutError:
                continue
        assert peer.statuses[0] in {414, 431}


def form_reader(limit: int) -> Any:
    """An application that reads a form, as the endpoints do."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await HttpRequest(scope, receive).form_body(limit)
            await answer(send, b"%d\n" % len(body))
        except Rejection as rejection:
            await answer(send, rejection.reason.encode() + b"\n")

    return app


FORM = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n"


@pytest.mark.parametrize("sent", [0, 100, 10_000, 3_000_000])
def test_a_body_that_is_said_to_be_too_large_is_refused_unread(sent: int) -> None:
    """At once, however much of it comes; the answer reaches also a client that first sends it all."""
    with limited(LIMITS, form_reader(LIMITS.body)) as server:
        told = server.asked(FORM + b"content-length: 3000000\r\n\r\n" + b"x" * sent)
        assert (told.statuses, told.read.rpartition(b"\r\n")[2]) == ([200], b"too_large\n")


def test_a_client_that_asks_first_sends_no_such_body() -> None:
    """`Expect: 100-continue` (RFC 9110 section 10.1.1) gets the last word at once."""
    with limited(LIMITS, form_reader(LIMITS.body)) as server:
        told = server.asked(FORM + b"content-length: 3000000\r\nexpect: 100-continue\r\n\r\n")
        assert (told.statuses, told.read.rpartition(b"\r\n")[2]) == ([200], b"too_large\n")


def test_a_body_in_chunks_is_refused_where_it_becomes_too_large() -> None:
    """Nobody said before how long it would be."""
    chunk = b"400\r\n" + b"x" * 1_024 + b"\r\n"
    with limited(LIMITS, form_reader(LIMITS.body)) as server:
        told = server.asked(FORM + b"transfer-encoding: chunked\r\n\r\n" + chunk * 1_000)
        assert (told.statuses, told.read.rpartition(b"\r\n")[2]) == ([200], b"too_large\n")


def test_a_body_that_nobody_reads_is_not_read_without_end() -> None:
    """An application that answers without it has its connection ended behind the answer."""

    async def deaf(_: Scope, __: Receive, send: Send) -> None:
        await answer(send, b"deaf\n")

    with limited(LIMITS, deaf) as server:
        for begun in (POST % 3_000_000, CHUNKED + b"2dc6c0\r\n"):
            assert server.asked(begun + b"x" * 1_000_000).statuses == [200]
        within = server.asked(POST % 3 + b"abc" + request(b"connection: close\r\n"))
        assert within.statuses == [200, 200]


@pytest.mark.parametrize("piece", [b"1;%b\r\nx\r\n" % (b"e" * 1_000), b"0\r\nx: %b" % (b"t" * 100_000), b"x" * 9])
def test_what_surrounds_a_body_has_an_end(server: Limited, piece: bytes) -> None:
    """Extensions of chunks and trailers are read by nobody, and may not be without end."""
    whole = (piece * 1_000)[:1_000_000]
    told = server.asked(CHUNKED + whole)
    assert told.statuses[0] in {400, 413}


def test_a_connection_asks_so_many_at_once_and_no_more(server: Limited) -> None:
    """A hundred requests in a row are answered in order; what is beyond is refused, once."""
    told = server.asked(GET * 2_000)
    assert told.statuses == [200] * 100 + [429]


def test_wishes_for_another_protocol_are_requests_too(server: Limited) -> None:
    """They count among those that may be asked at once."""
    told = server.asked(request(b"connection: upgrade\r\n", b"upgrade: x\r\n") * 200)
    assert told.statuses == [200] * 100 + [429]


def test_settings_are_the_limits() -> None:
    """Each of them is one of the limits."""
    limits = ConnectionLimits.of(
        Settings(
            max_header=4_096,
            max_body=2_048,
            header_timeout=1.5,
            body_timeout=2.5,
            connections_limit=7,
            connections_per_source=3,
        )
    )
    assert limits == ConnectionLimits(4_096, 2_048, 1.5, 2.5, 7, 3)

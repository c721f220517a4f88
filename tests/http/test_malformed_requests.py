"""What is no request, or might be two to somebody else, is refused, and nothing after it is read (RFC 9112)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.http.connections import ConnectionLimits
from tests.http.limited import GET, Limited, limited

PATIENT = ConnectionLimits(header_timeout=3_600, body_timeout=3_600, idle=3_600)
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
CLOSE = b"connection: close\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Limited]:
    """One server for all of them."""
    with limited(PATIENT) as running:
        yield running


def post(*lines: bytes, body: bytes = b"") -> bytes:
    """A request with these headers."""
    return b"POST / HTTP/1.1\r\nhost: x\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


CHUNKED = b"transfer-encoding: chunked"
WHOLE = b"3\r\nabc\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "asked",
    [
        post(b"content-length: 3", CHUNKED, body=WHOLE),
        post(CHUNKED, b"content-length: 3", body=WHOLE),
        post(b"content-length: 3", b"content-length: 4", body=b"abcd"),
        post(b"content-length: 3", b"content-length: 3", body=b"abc"),
        post(b"content-length: 3, 3", body=b"abc"),
        post(b"content-length: +3", body=b"abc"),
        post(b"content-length: -3", body=b"abc"),
        post(b"content-length: 0x3", body=b"abc"),
        post(b"content-length: 3 3", body=b"abc"),
        post(b"content-length: 99999999999999999999999", body=b"abc"),
        post(b"content-length: " + b"9" * 5_000, body=b"abc"),
        post(b"transfer-encoding: xchunked", body=WHOLE),
        post(b"transfer-encoding: chunked, gzip", body=WHOLE),
        post(b"transfer-encoding: identity", b"content-length: 3", body=b"abc"),
        post(b"transfer-encoding: identity", CHUNKED, body=WHOLE),
        post(CHUNKED, CHUNKED, body=WHOLE),
        post(b"transfer-encoding: chunked, chunked", body=WHOLE),
        post(b"transfer-encoding: gzip, chunked", body=WHOLE),
        post(b"transfer-encoding: identity, chunked", body=WHOLE),
        post(b"transfer-encoding: ,chunked", body=WHOLE),
        post(b"connection: upgrade", b"upgrade: x", b"transfer-encoding: gzip, chunked", body=WHOLE),
        b"POST / HTTP/1.0\r\nhost: x\r\n" + CHUNKED + b"\r\n\r\n" + WHOLE,
        post(b"transfer-encoding: \x0bchunked", b"content-length: 3", body=b"abc"),
        post(b"transfer-encoding : chunked", body=WHOLE),
        post(CHUNKED, body=b"zz\r\nabc\r\n0\r\n\r\n"),
        post(CHUNKED, body=b"-3\r\nabc\r\n0\r\n\r\n"),
        post(CHUNKED, body=b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
        post(CHUNKED, body=b"3\nabc\n0\n\n"),
        post(CHUNKED, body=b"3\r\nabcd\r\n0\r\n\r\n"),
        b"GET / HTTP/1.1\nhost: x\n\n",
        b"GET / HTTP/1.1\r\nhost: x\r\na: b\r\n c\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\na: b\0c\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\na: b\rc: d\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        b"GET / HTTP/1.0\r\nhost: x\r\nhost: y\r\n\r\n",
        b"GET / HTTP/1.2\r\nhost: x\r\n\r\n",
        b"GET / HTTP/2.0\r\nhost: x\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /?\0 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET x:80 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"BREW / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"get / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_request_is_refused(server: Limited, asked: bytes) -> None:
    """Once, with 400, whatever comes before it or after."""
    server.echo.seen.clear()
    told = server.asked(GET + asked + SMUGGLED)
    assert told.statuses == [200, 400]
    assert b"content-type: application/problem+json\r\n" in told.read
    assert "/smuggled" not in [path for _, path, _, _ in server.echo.seen]


def test_a_body_that_is_none_is_not_asked_for() -> None:
    """Where it goes wrong before the application asks for it, the application is told that the peer is gone."""
    spoilt = b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
    with limited(ConnectionLimits()) as server:
        told = server.asked(spoilt)
        assert (told.statuses, server.echo.gone.wait(60)) == ([400], True)


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", ("GET", "/", [], "")),
        (b"\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n" + CLOSE + b"\r\n", ("GET", "/", ["host", "connection"], "")),
        (b"GET http://y/a HTTP/1.1\r\nhost: x\r\n" + CLOSE + b"\r\n", ("GET", "/a", ["host", "connection"], "")),
        (b"GET http://y HTTP/1.1\r\nhost: x\r\n" + CLOSE + b"\r\n", ("GET", "/", ["host", "connection"], "")),
        (b"OPTIONS * HTTP/1.1\r\nhost: x\r\n" + CLOSE + b"\r\n", ("OPTIONS", "*", ["host", "connection"], "")),
        (b"HEAD / HTTP/1.1\r\nhost: x\r\n" + CLOSE + b"\r\n", ("HEAD", "/", ["host", "connection"], "")),
        (
            post(b"connection: close", b"content-length: 3", b"expect: 100-continue", body=b"abc"),
            ("POST", "/", ["host", "connection", "content-length", "expect"], "abc"),
        ),
        (
            post(b"connection: close", CHUNKED, body=b"2;a=b\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
            ("POST", "/", ["host", "connection", "transfer-encoding"], "abc"),
        ),
    ],
)
def test_unusual_requests_are_read(server: Limited, asked: bytes, seen: tuple[str, str, list[str], str]) -> None:
    """Old, absolute, of the server as a whole, without a body in the answer, asking first, in chunks."""
    server.echo.seen.clear()
    assert server.asked(asked).statuses[-1] == 200
    assert server.echo.seen == [seen]


def test_trailers_are_no_headers(server: Limited) -> None:
    """What comes behind the body no proxy has looked at: it says nothing of who asks, or from where."""
    server.echo.seen.clear()
    trailers = b"0\r\nx-forwarded-for: 192.0.2.1\r\nauthorization: Bearer a\r\n\r\n"
    server.asked(post(b"connection: close", CHUNKED, body=b"3\r\nabc\r\n" + trailers))
    assert server.echo.seen == [("POST", "/", ["host", "connection", "transfer-encoding"], "abc")]


@pytest.mark.parametrize("wanted", [b"upgrade: h2c", b"upgrade: websocket"])
def test_a_wish_for_another_protocol_is_not_heeded(server: Limited, wanted: bytes) -> None:
    """The request is read with its body, in one piece or in two, and what follows is a request of its own."""
    asked = post(b"connection: upgrade, http2-settings", wanted, b"content-length: 3", body=b"abc")
    for begun in (len(asked), len(asked) - 2, len(asked) - 3, 20):
        server.echo.seen.clear()
        with server.peer() as peer:
            peer.send(asked[:begun])
            if begun < len(asked):
                peer.send(asked[begun:])
            peer.send(b"GET /next HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").until_closed()
            assert peer.statuses == [200, 200]
        assert [(path, body) for _, path, _, body in server.echo.seen] == [("/", "abc"), ("/next", "")]


def test_an_old_request_stays_one_whatever_it_wishes(server: Limited) -> None:
    """HTTP/1.0 knows no Upgrade (RFC 9110 section 7.8): the connection ends behind its answer."""
    server.echo.seen.clear()
    told = server.asked(b"GET / HTTP/1.0\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n" + SMUGGLED)
    assert told.statuses == [200]
    assert b"\r\nconnection: close\r\n" in told.read
    assert server.echo.seen == [("GET", "/", ["connection"], "")]


def test_a_request_in_single_bytes_is_read(server: Limited) -> None:
    """Wherever the network cuts it."""
    server.echo.seen.clear()
    asked = post(b"connection: close", CHUNKED, body=b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
    with server.peer() as peer:
        for at in range(len(asked)):
            peer.send(asked[at : at + 1])
        assert peer.until_closed().statuses == [200]
    assert [body for _, _, _, body in server.echo.seen] == ["abc"]


def test_what_was_asked_after_close_is_not_read(server: Limited) -> None:
    """`Connection: close` ends a connection (RFC 9112 section 9.6)."""
    server.echo.seen.clear()
    told = server.asked(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" + SMUGGLED)
    assert told.statuses == [200]
    assert [path for _, path, _, _ in server.echo.seen] == ["/"]

"""Requests spoilt at the level of bytes, each by its own number: the same seed and number give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import NamedTuple

_NASTY = (
    *(
        b"\x00",
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b"%",
        b"%00",
        b"%0d%0a",
        b"%ff",
        b"%u0041",
        b"+",
        b"&",
        b"=",
    ),
    *(
        b";",
        b",",
        b'"',
        b"'",
        b"\\",
        b"<script>",
        b"../",
        b"//",
        b"?",
        b"#",
        b":",
        b"-1",
        b"0",
        b"4294967296",
        b"1e999",
    ),
    *(b"99999999999999999999", b"NaN", b"null", b"[]", b"{}", b"[" * 200, b'{"a":' * 200, b"\xff\xfe", b"\xc3\x28"),
    *("\u202e", "\ud7ff", "\u017f", "\u0130", "\U0001d4b3"),
    *(b"a" * 100, b"a" * 5_000, b"a=b&" * 70, b"'; DROP TABLE journal.events; --", b"${jndi:ldap://a}", b"%s%n"),
)
_NASTY_BYTES = tuple(one.encode() if isinstance(one, str) else one for one in _NASTY)
_HEADERS = (
    *(b"content-length: 5", b"content-length: 0", b"content-length: -1", b"content-length: 70000", b"host: b"),
    *(b"transfer-encoding: chunked", b"transfer-encoding: chunked, identity", b"expect: 100-continue", b"expect: x"),
    *(b"connection: close", b"connection: keep-alive, upgrade", b"upgrade: h2c", b"upgrade: websocket", b" folded"),
    *(b"authorization: Bearer x", b"authorization: Basic Og==", b"authorization: Basic =", b"authorization: Digest a"),
    *(b"cookie: a=b; =; c", b"origin: null", b"accept: text/event-stream", b"accept: */*;q=9", b"last-event-id: -3"),
    *(b"content-type: application/json", b"content-type: multipart/form-data; boundary=x", b"content-type:"),
    *(
        b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        b"traceparent: 00-0-0-0",
        b"range: bytes=0-",
    ),
    *(
        b"x-forwarded-for: 1.2.3.4",
        b"x-forwarded-proto: https",
        b'forwarded: for="[::1',
        b"x-http-method-override: PUT",
    ),
    *(b"content-encoding: gzip", b"te: trailers", b"trailer: a", b"if-none-match: *", b"dpop: x", b": b", b"a\x00b: c"),
)
_METHODS = (
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"PATCH",
    b"TRACE",
    b"CONNECT",
    b"PRI",
    b"get",
    b"",
)


class Spoilt(NamedTuple):
    """What is sent: in pieces, each after the one before has gone out."""

    number: int
    pieces: list[bytes]

    @property
    def whole(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces)


def spoilt(seed: int, number: int, good: Sequence[bytes]) -> Spoilt:
    """The request of a number."""
    random = Random(f"{seed}:{number}")
    request = random.choice(good)
    for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3, 5))):
        request = random.choice(_MUTATIONS)(request, random, good)
    if random.random() < 0.1:
        request += random.choice(good)
    if random.random() < 0.1 and len(request) > 1:
        cuts = sorted({0, len(request), *(random.randrange(len(request)) for _ in range(random.randint(1, 4)))})
        return Spoilt(number, [request[begin:end] for begin, end in pairwise(cuts)])
    return Spoilt(number, [request])


Mutation = Callable[[bytes, Random, Sequence[bytes]], bytes]


def _flip(request: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    if not request:
        return request
    at = random.randrange(len(request))
    return request[:at] + bytes([request[at] ^ (1 << random.randrange(8))]) + request[at + 1 :]


def _insert(request: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    at = random.randint(0, len(request))
    return request[:at] + random.choice(_NASTY_BYTES) + request[at:]


def _replace(request: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    begin, end = _span(request, random, 12)
    return request[:begin] + random.choice(_NASTY_BYTES) + request[end:]


def _delete(request: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    begin, end = _span(request, random, 30)
    return request[:begin] + request[end:]


def _repeat(request: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    begin, end = _span(request, random, 60)
    return request[:end] + request[begin:end] * random.choice((1, 2, 50)) + request[end:]


def _cut(request: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    return request[: random.randint(0, len(request))]


def _splice(request: bytes, random: Random, good: Sequence[bytes]) -> bytes:
    other = random.choice(good)
    return request[: random.randint(0, len(request))] + other[random.randint(0, len(other)) :]


def _add_header(request: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    line, end, rest = request.partition(b"\r\n")
    return line + end + random.choice(_HEADERS) + b"\r\n" + rest


def _change_method(request: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    return random.choice(_METHODS) + b" " + request.partition(b" ")[2]


def _mend_length(request: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    """Make the length right again, so that what else is spoilt is read."""
    head, end, body = request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    return b"\r\n".join([*lines, b"content-length: %d" % len(body)]) + end + body


def _chunk(request: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    """Send the body in chunks, most of them right."""
    head, end, body = request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    step = random.randint(1, 50)
    sizes = (b"%x", b"%X", b"0%x", b"%x;a=b", b"%x ", b"-%x", b"%x0")
    size = random.choice(sizes) if random.random() < 0.3 else b"%x"
    chunks = b"".join(
        size % len(body[at : at + step]) + b"\r\n" + body[at : at + step] + b"\r\n" for at in range(0, len(body), step)
    )
    return b"\r\n".join([*lines, b"transfer-encoding: chunked"]) + end + chunks + b"0\r\n\r\n"


def _spoil_value(request: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    """Put something else in the place of one value of a form, a query or a JSON document."""
    places = [at for at, byte in enumerate(request) if byte in b"=:"]
    if not places:
        return request
    at = random.choice(places) + 1
    end = next((to for to in range(at, len(request)) if request[to] in b"&, \r}"), len(request))
    return _mend_length(request[:at] + random.choice(_NASTY_BYTES) + request[end:], random, ())


def _span(request: bytes, random: Random, longest: int) -> tuple[int, int]:
    begin = random.randint(0, len(request))
    return begin, min(len(request), begin + random.randint(1, longest))


_MUTATIONS: tuple[Mutation, ...] = (
    *(_flip, _insert, _replace, _delete, _repeat, _cut, _splice, _add_header, _change_method, _mend_length, _chunk),
    *(_spoil_value, _spoil_value, _spoil_value),
)

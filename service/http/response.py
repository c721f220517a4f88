"""Answers of the endpoints, sent without a framework in between: JSON, or HTML and redirects for browsers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import msgspec
from litestar.types import Send

from service.errors import Rejection
from service.http.head import Header, header_lines

ANY_ORIGIN: Header = (b"access-control-allow-origin", b"*")
"""Scripts of any site may read what the JSON endpoints answer, for these know no cookies (CORS)."""

EXPOSED: Header = (
    b"access-control-expose-headers",
    b"link, retry-after, www-authenticate, tallystick-position, tallystick-through, tallystick-truncated",
)
"""What else of an answer they may read: all that this server says in headers and browsers would keep from them."""

WHOLE = "tallystick.whole"
"""The ASGI extension, and its message, by which a whole answer is sent at once: `status`, `head` (header lines without
the length) and `body`.
"""

_NO_STORE = (b"cache-control", b"no-store")
_NO_SNIFF = (b"x-content-type-options", b"nosniff")
_JSON = ((b"content-type", b"application/json"), _NO_STORE, _NO_SNIFF, ANY_ORIGIN)
_HTML = (
    (b"content-type", b"text/html; charset=utf-8"),
    _NO_STORE,
    _NO_SNIFF,
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_BARE = (_NO_STORE, _NO_SNIFF, (b"referrer-policy", b"same-origin"))

_KEPT = 16_384

_encode = msgspec.json.Encoder().encode


class Sendable(Protocol):
    """What an endpoint may answer with: a whole response, or one that goes on."""

    @property
    def status(self) -> int:
        """Its status."""

    async def send(self, send: Send) -> None:
        """Send it."""


class Response(NamedTuple):
    """Status, body, headers of its own, and those that all answers of its kind have."""

    status: int
    body: bytes
    headers: tuple[Header, ...] = ()
    common: tuple[Header, ...] = _JSON

    async def send(self, send: Send) -> None:
        """Send it."""
        body: Any = {"type": "http.response.body", "body": self.body, "more_body": False}
        await send(self._start())
        await send(body)

    def head(self, always: tuple[Header, ...]) -> bytes:
        """Its header lines, with those that every answer has unless its kind has them itself; without its length."""
        return _lines(self.common, always) + (header_lines(self.headers) if self.headers else b"")

    def messages(self, piece: int) -> Iterator[Any]:
        """The same for a reader that may be slow: the body in pieces of so many bytes."""
        yield self._start()
        size = len(self.body)
        for begin in range(0, size or 1, piece):
            end = begin + piece
            yield {"type": "http.response.body", "body": self.body[begin:end], "more_body": end < size}

    def _start(self) -> Any:
        length = (b"content-length", str(len(self.body)).encode())
        return {
            "type": "http.response.start",
            "status": self.status,
            "headers": [*self.common, length, *self.headers],
        }


@lru_cache(maxsize=_KEPT)
def _lines(common: tuple[Header, ...], always: tuple[Header, ...]) -> bytes:
    return header_lines([*common, *missing(always, common)])


def missing(always: tuple[Header, ...], there: Iterable[Header]) -> list[Header]:
    """Those headers that are not there."""
    names = {name for name, _ in there}
    return [header for header in always if header[0] not in names]


def answer(content: Any) -> Response:
    """200 with a JSON body."""
    return Response(200, _encode(content))


def html(status: int, text: str, headers: tuple[Header, ...] = ()) -> Response:
    """A page, which no cache keeps and no other site frames; its content security policy is among `headers`."""
    return Response(status, text.encode(), headers, _HTML)


def redirect(location: str, headers: tuple[Header, ...] = ()) -> Response:
    """303: go there with GET, whatever method led here."""
    return Response(303, b"", ((b"location", location.encode("ascii")), *headers), _BARE)


def refusal(rejection: Rejection) -> Response:
    """The answer of a rejection (RFC 6749 section 5.2): its public half only."""
    body = {"error": rejection.error, "error_description": rejection.description}
    return Response(rejection.status, _encode(body), rejection.headers)


def unavailable(retry_after: int) -> Response:
    """503: what was asked could not be committed, or not be known. `retry_after` is in seconds."""
    body = {"error": "temporarily_unavailable", "error_description": "The service cannot answer now. Try again."}
    return Response(503, _encode(body), ((b"retry-after", str(retry_after).encode()),))


def server_error() -> Response:
    """500: a fault of this server; the log has it, the answer says nothing."""
    return Response(500, _encode({"error": "server_error", "error_description": "The service failed to answer."}))


class Answers(NamedTuple):
    """How a kind of endpoint says that it refuses, cannot answer now (with seconds to wait), or failed."""

    refusal: Callable[[Rejection], Response]
    unavailable: Callable[[int], Response]
    server_error: Callable[[], Response]


JSON_ANSWERS = Answers(refusal, unavailable, server_error)

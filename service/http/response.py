"""Answers of the OAuth endpoints: JSON bodies, sent without a framework in between."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from litestar.types import Send

from service.errors import Rejection

_JSON = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")
_NO_SNIFF = (b"x-content-type-options", b"nosniff")
_COMMON = (_JSON, _NO_STORE, _NO_SNIFF)

_encode = msgspec.json.Encoder().encode


class Response(NamedTuple):
    """Status, body and headers beyond the common ones."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, send: Send) -> None:
        """Send it."""
        length = (b"content-length", str(len(self.body)).encode())
        start: Any = {
            "type": "http.response.start",
            "status": self.status,
            "headers": [*_COMMON, length, *self.headers],
        }
        body: Any = {"type": "http.response.body", "body": self.body, "more_body": False}
        await send(start)
        await send(body)


def answer(content: Any) -> Response:
    """200 with a JSON body."""
    return Response(200, _encode(content))


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

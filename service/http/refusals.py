"""What a peer is told by the protocol itself, where no request came of what it sent or did not send."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

import httptools
import msgspec

from service.http.head import STATUS_LINE
from service.http.problem import Problem


class Refusal(NamedTuple):
    """What a peer is told before its connection ends, and the reason that is counted."""

    status: int
    reason: str
    detail: str

    def answer(self) -> bytes:
        """The whole answer: a problem (RFC 9457), after which the connection ends."""
        body = msgspec.json.encode(
            Problem(title=HTTPStatus(self.status).phrase, status=self.status, detail=self.detail)
        )
        return (
            STATUS_LINE[self.status]
            + b"content-type: application/problem+json\r\ncache-control: no-store\r\n"
            + b"x-content-type-options: nosniff\r\nreferrer-policy: no-referrer\r\n"
            + (b"retry-after: 1\r\n" if self.status == HTTPStatus.SERVICE_UNAVAILABLE else b"")
            + b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(body), body)
        )


MALFORMED = Refusal(400, "malformed", "This is no HTTP/1.1 request.")
HOSTS = Refusal(400, "malformed", "A request has one Host.")
HEADER_TOO_LARGE = Refusal(431, "header_too_large", "The headers are too large, or too many.")
ADDRESS_TOO_LONG = Refusal(414, "address_too_long", "The address is too long.")
BODY_TOO_LARGE = Refusal(413, "body_too_large", "The body is too large.")
HEADER_LATE = Refusal(408, "header_timeout", "The headers did not come in time.")
BODY_LATE = Refusal(408, "body_timeout", "The body did not come in time.")
TOO_MANY_AT_ONCE = Refusal(429, "pipelined", "There are too many requests at once.")
FAILED = Refusal(500, "failed", "The service failed to answer.")
TOO_MANY_CONNECTIONS = Refusal(503, "connections", "There are too many connections. Try again.")


class Refused(Exception):
    """Raised within the parser, which stops at it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def refusal_of(error: httptools.HttpParserError) -> Refusal:
    """Why the parser stopped: for a limit, or because what it read is no request."""
    cause = error.__context__
    return cause.refusal if isinstance(cause, Refused) else MALFORMED

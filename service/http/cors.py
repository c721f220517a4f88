"""Endpoints that scripts of any site may call (CORS): they know no cookie, so nothing is given to whoever has none."""

from __future__ import annotations

from service.http.endpoint import Endpoint
from service.http.request import HttpRequest
from service.http.response import ANY_ORIGIN, Response, Sendable

_PREFLIGHT = Response(
    204,
    b"",
    (
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-allow-headers", b"authorization, content-type, last-event-id"),
        (b"access-control-max-age", b"86400"),
    ),
    (ANY_ORIGIN,),
)


def cross_origin(endpoint: Endpoint) -> Endpoint:
    """The endpoint, with an answer to the question that browsers ask first; its own answers allow any origin."""

    async def answer(request: HttpRequest) -> Sendable:
        if request.method == "OPTIONS" and b"access-control-request-method" in request.headers:
            return _PREFLIGHT
        return await endpoint(request)

    return answer

"""Endpoints that scripts of any site may call (CORS): they know no cookie, so nothing is given to whoever has none."""

from __future__ import annotations

from litestar.types import ASGIApp, Receive, Scope, Send

from service.http.response import ANY_ORIGIN, Response

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


def cross_origin(app: ASGIApp) -> ASGIApp:
    """The endpoint, with an answer to the question that browsers ask first; its own answers allow any origin."""

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS" and _is_preflight(scope):  # type: ignore[typeddict-item]  # HTTP scopes only
            await _PREFLIGHT.send(send)
        else:
            await app(scope, receive, send)

    return endpoint


def _is_preflight(scope: Scope) -> bool:
    return any(name == b"access-control-request-method" for name, _ in scope["headers"])

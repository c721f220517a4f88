"""What holds for every request and every answer, whichever endpoint it is for.

Proxies that may be believed are seen through. Plain HTTP is refused, but from the machine itself and for what probes
ask (RFC 6749 section 3.1, RFC 9700 section 2.6): a secret that came so was readable on its way. Every answer has the
headers by which browsers take it for no more than it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from service.endpoints.core import Core
from service.endpoints.exchange import Exchange, endpoint_of
from service.errors import InvalidRequest
from service.http.addresses import is_loopback
from service.http.endpoint import Endpoint
from service.http.head import Header
from service.http.problem import PROBLEM_ANSWERS
from service.http.proxies import Proxies
from service.http.request import HttpRequest
from service.http.response import WHOLE, Response, Sendable, missing
from service.telemetry.trace_context import work_within

_ALWAYS: tuple[Header, ...] = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_PROBED = ("/health/live", "/health/ready", "/metrics")

Find = Callable[[str], Endpoint | None]


def at_the_edge(find: Find, others: ASGIApp, core: Core) -> ASGIApp:
    """The application as the network sees it: the endpoint that is found for a path, else what serves the others.

    Raises SettingsError.
    """
    proxies = Proxies.of(core.settings)
    plain = endpoint_of(core, "plain_http", _refuse, PROBLEM_ANSWERS)
    over_tls = (*_ALWAYS, *_transport_security(core.settings.hsts_max_age))
    refused = not core.settings.insecure_http

    async def edge(scope: Scope, receive: Receive, send: Send) -> None:
        request = HttpRequest(scope, receive)
        proxied = proxies is not None and proxies.see_through(request)
        secure = request.scheme == "https"
        always = over_tls if secure else _ALWAYS
        if refused and not secure and not _may_be_plain(request, proxied=proxied):
            endpoint: Endpoint | None = plain
        else:
            endpoint = find(request.path)
        if endpoint is None:
            work_within(request.trace)  # as endpoints that do without Litestar do
            await others(_seen(scope, request), receive, _adding(send, always))
        else:
            await _send(await endpoint(request), scope, send, always)

    return edge


async def _refuse(_: Exchange) -> Sendable:
    rejection = InvalidRequest("plain_http", "Ask by HTTPS. What this request carried was readable on its way.")
    rejection.status = 403
    raise rejection


def _may_be_plain(request: HttpRequest, *, proxied: bool) -> bool:
    """What came through a proxy is not from this machine, whatever address it tells; nor is what came from nowhere."""
    return request.path in _PROBED or (not proxied and request.source is not None and is_loopback(request.source))


def _transport_security(max_age: int) -> tuple[Header, ...]:
    """RFC 6797 section 6.1."""
    return ((b"strict-transport-security", f"max-age={max_age}".encode()),) if max_age else ()


def _seen(scope: Scope, request: HttpRequest) -> Scope:
    """The scope of a request that was seen through its proxies."""
    seen: Any = {**scope, "scheme": request.scheme}
    if request.source is not None:
        seen["client"] = (request.source, 0)
    return seen  # type: ignore[no-any-return]  # a scope as it was, but for two fields


async def _send(response: Sendable, scope: Scope, send: Send, always: tuple[Header, ...]) -> None:
    """Send an answer; at once, where it is whole and the server can."""
    extensions: Any = scope.get("extensions") or {}
    if WHOLE in extensions and isinstance(response, Response):
        whole: Any = {"type": WHOLE, "status": response.status, "head": response.head(always), "body": response.body}
        await send(whole)
    else:
        await response.send(_adding(send, always))


def _adding(send: Send, always: tuple[Header, ...]) -> Send:
    """Send with the headers that every answer has."""

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            known: Any = message
            headers = known.get("headers", ())
            known["headers"] = [*headers, *missing(always, headers)]
        await send(message)

    return adding

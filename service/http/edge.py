"""What holds for every request and every answer, whichever endpoint it is for.

Proxies that may be believed are seen through. Plain HTTP is refused, but from the machine itself and for what probes
ask (RFC 6749 section 3.1, RFC 9700 section 2.6): a secret that came so was readable on its way. Every answer has the
headers by which browsers take it for no more than it is.
"""

from __future__ import annotations

from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from service.endpoints.core import Core
from service.endpoints.exchange import Exchange, endpoint_of
from service.errors import InvalidRequest
from service.http.addresses import is_loopback
from service.http.problem import PROBLEM_ANSWERS
from service.http.proxies import Proxies
from service.http.response import Header, Sendable

_ALWAYS: tuple[Header, ...] = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_PROBED = ("/health/live", "/health/ready", "/metrics")


def at_the_edge(app: ASGIApp, core: Core) -> ASGIApp:
    """The application as the network sees it. Raises SettingsError."""
    proxies = Proxies.of(core.settings)
    plain = endpoint_of(core, "plain_http", _refuse, PROBLEM_ANSWERS)
    over_tls = (*_ALWAYS, *_transport_security(core.settings.hsts_max_age))
    refused = not core.settings.insecure_http

    async def edge(scope: Scope, receive: Receive, send: Send) -> None:
        seen = scope if proxies is None else proxies.see_through(scope)
        secure = seen["scheme"] == "https"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(message, over_tls if secure else _ALWAYS)
            await send(message)

        inner = plain if refused and not secure and not _may_be_plain(seen, local=seen is scope) else app
        await inner(seen, receive, send_with_headers)

    return edge


async def _refuse(_: Exchange) -> Sendable:
    rejection = InvalidRequest("plain_http", "Ask by HTTPS. What this request carried was readable on its way.")
    rejection.status = 403
    raise rejection


def _may_be_plain(scope: Scope, *, local: bool) -> bool:
    """`local` is false for what came through a proxy: that is not from this machine, whatever address it tells."""
    peer: Any = scope.get("client")
    return scope["path"] in _PROBED or (local and (peer is None or is_loopback(peer[0])))


def _transport_security(max_age: int) -> tuple[Header, ...]:
    """RFC 6797 section 6.1."""
    return ((b"strict-transport-security", f"max-age={max_age}".encode()),) if max_age else ()


def _add(message: Any, headers: tuple[Header, ...]) -> None:
    there = {name for name, _ in message.get("headers", ())}
    message["headers"] = [*message.get("headers", ()), *(header for header in headers if header[0] not in there)]

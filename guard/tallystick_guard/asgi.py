"""Middleware for any ASGI application: every path needs a good token, unless it is said to be public.

    app = GuardMiddleware(
        app,
        Guard("https://auth.example.com", "https://api.example.com/users"),
        {"GET /users*": Needs.of("read:users"), "/users*": Needs.of("write:users")},
        public=["/health"],
    )

A route is a path, or a method and a path; one that ends with `*` is for all paths that begin so. The first that fits
counts, so narrow ones come first. A path that no route fits needs `otherwise`, and is not found where that is not
given; so is one that routers read in ways of their own, such as `//users`. Without routes a good token is enough.

The application finds the rights of the request in `scope["state"]["access"]`. The guard starts and ends with the
application's lifespan.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, NamedTuple

from tallystick_guard.access import NOTHING_MORE, Access, Needs
from tallystick_guard.errors import GuardError, body_of, headers_of
from tallystick_guard.guard import Guard
from tallystick_guard.metadata import metadata_path, resource_metadata

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

POLICY_VIOLATION = 1008
"""What a WebSocket is closed with (RFC 6455 section 7.4.1)."""

_DENIAL = "websocket.http.response"
"""The ASGI extension by which a WebSocket is answered instead of accepted."""

# What routers read in ways of their own: empty and dot segments, control characters.
_AMBIGUOUS = re.compile(r"//|/\.{1,2}(?:/|$)|[\x00-\x1f\x7f\\]")


class _Route(NamedTuple):
    method: str | None
    path: str
    prefix: bool
    needs: Needs

    def fits(self, method: str, path: str) -> bool:
        if self.method not in (None, method) and (self.method, method) != ("GET", "HEAD"):
            return False
        return path.startswith(self.path) if self.prefix else path == self.path


class GuardMiddleware:
    """Serves what the guard lets through, and answers the rest itself."""

    def __init__(
        self,
        app: ASGIApp,
        guard: Guard,
        routes: Mapping[str, Needs] | None = None,
        *,
        public: Iterable[str] = (),
        otherwise: Needs | None = None,
        scopes_supported: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._guard = guard
        self._routes = tuple(_route(text, needs) for text, needs in (routes or {}).items())
        self._public = tuple(_route(text, NOTHING_MORE) for text in public)
        self._otherwise = NOTHING_MORE if otherwise is None and not routes else otherwise
        self._metadata_path = metadata_path(guard)
        scopes = {*scopes_supported, *(scope for route in self._routes for scope in route.needs.scopes)}
        self._metadata = json.dumps(resource_metadata(guard, scopes)).encode()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, self._within_lifespan(receive), send)
            return
        method, path = scope.get("method", "GET"), scope["path"]
        if path == self._metadata_path and scope["type"] == "http":
            await _answer(send, 200, [(b"content-type", b"application/json")], self._metadata)
            return
        plain = _AMBIGUOUS.search(path) is None
        if not (plain and any(route.fits(method, path) for route in self._public)):
            needs = self._needs(method, path) if plain else None
            try:
                access = await self._guard.authorize(scope, NOTHING_MORE if needs is None else needs)
            except GuardError as error:
                await refuse(scope, send, error, self._guard)
                return
            if needs is None:
                await _not_found(scope, send)
                return
            remember(scope, access)
        await self._app(scope, receive, send)

    def _needs(self, method: str, path: str) -> Needs | None:
        """What a path needs, with or without the slash at its end, which routers may overlook."""
        written = (path, path.rstrip("/") or "/")
        fitting = (route.needs for route in self._routes if any(route.fits(method, each) for each in written))
        return next(fitting, self._otherwise)

    def _within_lifespan(self, receive: Receive) -> Receive:
        async def received() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._guard.start()
            elif message["type"] == "lifespan.shutdown":
                await self._guard.close()
            return message

        return received


def remember(scope: MutableMapping[str, Any], access: Access) -> None:
    """Leave the rights of a request where its handlers find them."""
    scope["state"] = {**scope.get("state", {}), "access": access}


async def refuse(scope: MutableMapping[str, Any], send: Send, error: GuardError, guard: Guard) -> None:
    """Answer a request that is not served. A WebSocket is answered before it is accepted where the server can do that,
    and else closed, which the caller sees as 403.
    """
    await _answer_any(
        scope, send, error.status, headers_of(error, guard.realm, guard.resource_metadata), body_of(error)
    )


async def _not_found(scope: MutableMapping[str, Any], send: Send) -> None:
    headers = [(b"content-type", b"application/problem+json")]
    await _answer_any(scope, send, 404, headers, b'{"title": "Not Found", "status": 404}')


async def _answer_any(
    scope: MutableMapping[str, Any], send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    if scope["type"] != "websocket":
        await _answer(send, status, headers, body)
    elif _DENIAL in (scope.get("extensions") or {}):
        await _answer(send, status, headers, body, "websocket.")
    else:
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes, prefix: str = "") -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": f"{prefix}http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": f"{prefix}http.response.body", "body": body})


def _route(text: str, needs: Needs) -> _Route:
    method, _, path = text.rpartition(" ")
    if not path.startswith("/"):
        raise ValueError(f"a route begins with /: {text!r}")
    return _Route(method or None, path.removesuffix("*"), path.endswith("*"), needs)

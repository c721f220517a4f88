"""The guard for Litestar: a plugin, a guard for each route, and the dependency `access`.

    @get("/users", guards=[requires("read:users")])
    async def users(access: NamedDependency[Access]) -> list[User]: ...

    app = Litestar([users], plugins=[GuardPlugin(Guard("https://auth.example.com", "https://api.example.com/users"))])

The plugin starts and ends the guard with the application, and serves the metadata of the resource (RFC 9728).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.exceptions import ImproperlyConfiguredException, WebSocketException
from litestar.handlers.base import BaseRouteHandler
from litestar.plugins import InitPlugin
from litestar.types import Scope

from tallystick_guard.access import Access, Needs
from tallystick_guard.asgi import POLICY_VIOLATION, remember
from tallystick_guard.errors import GuardError, body_of, headers_of
from tallystick_guard.guard import Guard
from tallystick_guard.metadata import metadata_path, resource_metadata

_GUARD = "tallystick_guard"

Connection = ASGIConnection[Any, Any, Any, Any]


class GuardPlugin(InitPlugin):
    """Gives the routes of an application their guard."""

    def __init__(self, guard: Guard, *, scopes_supported: Iterable[str] = ()) -> None:
        self._guard = guard
        self._scopes = tuple(scopes_supported)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the guard to the application's state, its lifespan, its errors and its dependencies."""
        app_config.state[_GUARD] = self._guard
        app_config.lifespan = [*app_config.lifespan, self._lifespan]
        app_config.exception_handlers = {**app_config.exception_handlers, GuardError: self._answer}
        app_config.dependencies = {**app_config.dependencies, "access": Provide(access_of, sync_to_thread=False)}
        path = metadata_path(self._guard)
        if path is not None:
            document = resource_metadata(self._guard, self._scopes)

            @get(path, sync_to_thread=False, opt={"exclude_from_auth": True})
            def metadata() -> dict[str, Any]:
                """The metadata of the protected resource (RFC 9728)."""
                return document

            app_config.route_handlers.append(metadata)
        return app_config

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Litestar) -> AsyncIterator[None]:
        async with self._guard:
            yield

    def _answer(self, _: Request[Any, Any, Any], error: GuardError) -> Response[bytes]:
        headers = headers_of(error, self._guard.realm, self._guard.resource_metadata)
        told = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        media_type = told.pop("content-type")
        return Response(body_of(error), status_code=error.status, headers=told, media_type=media_type)


def requires(
    *scopes: str, roles: Iterable[str] = (), acr: Iterable[str] = (), max_age: int | None = None
) -> Callable[[Connection, BaseRouteHandler], Awaitable[None]]:
    """A guard of a route, a controller or an application: see `Needs.of`."""
    needs = Needs.of(*scopes, roles=roles, acr=acr, max_age=max_age)

    async def check(connection: Connection, handler: BaseRouteHandler) -> None:
        guard = connection.app.state.get(_GUARD)
        if not isinstance(guard, Guard):
            raise ImproperlyConfiguredException("the application lacks the GuardPlugin")
        scope: Any = connection.scope
        try:
            remember(scope, await guard.authorize(scope, needs, min(handler.paths, default=None)))
        except GuardError as error:
            if scope["type"] == "websocket":  # what Litestar closes before it is accepted, as it is told here
                raise WebSocketException(detail=error.description, code=POLICY_VIOLATION) from error
            raise

    return check


def access_of(scope: Scope) -> Access:
    """The rights of a request or a WebSocket; its route must have a guard."""
    access = scope["state"].get("access")
    if not isinstance(access, Access):
        raise ImproperlyConfiguredException("the route has no guard: guards=[requires(…)]")
    return access

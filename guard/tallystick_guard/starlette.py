"""The guard for FastAPI and Starlette.

    app = FastAPI(lifespan=lifespan_of(guard))
    protect(app, guard)

    @app.get("/users")
    async def users(access: Annotated[Access, Depends(requires(guard, "read:users"))]) -> list[User]: ...

In Starlette, where there are no dependencies: `access = await requires(guard, "read:users")(request)`. WebSockets are
guarded the same way, and refused before they are accepted.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketState

from tallystick_guard.access import Access, Needs
from tallystick_guard.asgi import POLICY_VIOLATION, refuse, remember
from tallystick_guard.errors import GuardError, body_of, headers_of
from tallystick_guard.guard import Guard
from tallystick_guard.metadata import metadata_path, resource_metadata


def requires(
    guard: Guard,
    *scopes: str,
    roles: Iterable[str] = (),
    acr: Iterable[str] = (),
    max_age: int | None = None,
) -> Callable[[HTTPConnection], Awaitable[Access]]:
    """What gives the rights of a request or a WebSocket, or raises what `protect` answers: see `Needs.of`."""
    needs = Needs.of(*scopes, roles=roles, acr=acr, max_age=max_age)

    async def check(connection: HTTPConnection) -> Access:
        scope: Any = connection.scope
        access = await guard.authorize(scope, needs, getattr(scope.get("route"), "path", None))
        remember(scope, access)
        return access

    # FastAPI reads annotations to know that it is to hand over the connection; those of this module are text.
    check.__annotations__ = {"connection": HTTPConnection, "return": Access}
    return check


def protect(app: Starlette, guard: Guard, *, scopes_supported: Iterable[str] = ()) -> None:
    """Have an application answer what the guard refuses, and serve the metadata of the resource (RFC 9728)."""

    async def answer(connection: Request | WebSocket, error: Exception) -> Response | None:
        if not isinstance(error, GuardError):
            raise error
        if isinstance(connection, WebSocket):
            await _refuse(connection, error, guard)
            return None
        refused = Response(body_of(error), status_code=error.status)
        refused.raw_headers.extend(headers_of(error, guard.realm, guard.resource_metadata))
        return refused

    app.add_exception_handler(GuardError, answer)  # type: ignore[arg-type]  # it is for requests and WebSockets
    path = metadata_path(guard)
    if path is not None:
        document = resource_metadata(guard, scopes_supported)

        async def metadata(_: Request) -> Response:
            return JSONResponse(document)

        app.add_route(path, metadata, methods=["GET"], include_in_schema=False)


async def _refuse(socket: WebSocket, error: GuardError, guard: Guard) -> None:
    """Refuse a WebSocket; one that was accepted before its token was looked at is closed."""
    if socket.application_state is WebSocketState.CONNECTING:
        await refuse(socket.scope, socket.send, error, guard)
    elif socket.application_state is WebSocketState.CONNECTED:
        await socket.close(POLICY_VIOLATION)


def lifespan_of(guard: Guard) -> Callable[[Starlette], contextlib.AbstractAsyncContextManager[None]]:
    """A lifespan that starts and ends the guard."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with guard:
            yield

    return lifespan

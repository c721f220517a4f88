"""The Litestar application: raw ASGI handlers for the hot OAuth endpoints, typed routes for the rest."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import asgi
from litestar.types import ASGIApp, ControllerRouterHandler

from service.endpoints.core import Core
from service.endpoints.discovery import discovery_routes
from service.endpoints.exchange import oauth_endpoint
from service.endpoints.health import health_routes
from service.endpoints.introspect import introspect
from service.endpoints.revoke import revoke
from service.endpoints.token import token


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """An error of an endpoint that is not an OAuth one (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int


def create_app(core: Core) -> Litestar:
    """The application of one worker."""
    oauth: list[ControllerRouterHandler] = [
        _raw("/oauth2/token", oauth_endpoint(core, "token", token)),
        _raw("/oauth2/introspect", oauth_endpoint(core, "introspect", introspect)),
        _raw("/oauth2/revoke", oauth_endpoint(core, "revoke", revoke)),
    ]
    return Litestar(
        route_handlers=[*oauth, *discovery_routes(core), *health_routes(core)],
        exception_handlers={HTTPException: _problem},
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


def _raw(path: str, app: ASGIApp) -> Any:
    return asgi(path, copy_scope=False)(app)


def _problem(_: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    return Response(
        Problem(title=error.detail, status=error.status_code),
        status_code=error.status_code,
        media_type=MediaType.JSON,
        headers={"content-type": "application/problem+json", **(error.headers or {})},
    )

"""The application of a worker: the hot OAuth endpoints as they are, everything else by Litestar's typed routes."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, MediaType, Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp

from service.account_page.page import account_endpoints
from service.account_page.security import security_endpoints
from service.audit.endpoints import audit_endpoints
from service.authorize.endpoints import authorize_endpoints
from service.device.authorization import device_authorization_endpoints
from service.device.pages import device_endpoints
from service.endpoints.assets import asset_endpoints
from service.endpoints.core import Core
from service.endpoints.discovery import discovery_routes
from service.endpoints.exchange import endpoint_of
from service.endpoints.health import health_routes
from service.endpoints.introspect import introspect
from service.endpoints.revoke import revoke
from service.endpoints.token import token
from service.endpoints.userinfo import userinfo_endpoints
from service.http.cors import cross_origin
from service.http.edge import at_the_edge
from service.http.endpoint import Endpoint
from service.http.problem import Problem
from service.oidc.logout import logout_endpoints
from service.reports.endpoint import report_endpoints
from service.sign_in.endpoints import sign_in_endpoints
from service.sign_in.throttle import Throttle
from service.usage.endpoints import usage_endpoints
from service.verify.endpoint import verify_endpoints
from service.verify.prefixed import PREFIX


def create_app(core: Core) -> ASGIApp:
    """The application of one worker. Raises SettingsError.

    The hot endpoints do not pass through Litestar: its router and middleware took a fifth of a token request
    (docs/adr/0006-hot-endpoints.md).
    """
    hot = hot_endpoints(core)
    by_prefix = hot.pop(PREFIX)

    def find(path: str) -> Endpoint | None:
        return hot.get(path) or (by_prefix if path.startswith(PREFIX) else None)

    return at_the_edge(find, _litestar(core), core)


def hot_endpoints(core: Core) -> dict[str, Endpoint]:
    """Every path that Litestar does not serve, with its endpoint. Raises SettingsError."""
    throttle = Throttle(core.state.login_failures, core.settings)
    return {
        "/oauth2/token": cross_origin(endpoint_of(core, "token", token)),
        "/oauth2/introspect": endpoint_of(core, "introspect", introspect),
        "/oauth2/revoke": cross_origin(endpoint_of(core, "revoke", revoke)),
        **userinfo_endpoints(core),
        **logout_endpoints(core),
        **asset_endpoints(core),
        **sign_in_endpoints(core, throttle),
        **authorize_endpoints(core),
        **account_endpoints(core),
        **security_endpoints(core, throttle),
        **device_authorization_endpoints(core),
        **device_endpoints(core),
        **audit_endpoints(core),
        **usage_endpoints(core),
        **report_endpoints(core),
        **verify_endpoints(core),
    }


def _litestar(core: Core) -> Litestar:
    return Litestar(
        route_handlers=[*discovery_routes(core), *health_routes(core)],
        exception_handlers={HTTPException: _problem},
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


def _problem(_: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    return Response(
        Problem(title=error.detail, status=error.status_code),
        status_code=error.status_code,
        media_type=MediaType.JSON,
        headers={"content-type": "application/problem+json", **(error.headers or {})},
    )

"""The guard in an ASGI application, in Litestar, in FastAPI and in Starlette: the same answers."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from litestar import Litestar, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.testing import AsyncTestClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick_guard import Access, Guard, GuardMiddleware, Needs
from tallystick_guard.litestar import GuardPlugin
from tallystick_guard.litestar import requires as litestar_requires
from tallystick_guard.starlette import lifespan_of, protect
from tallystick_guard.starlette import requires as starlette_requires
from tests.guard.issuer import API, ISSUER, Issuer

METADATA = "/.well-known/oauth-protected-resource/users"
CHALLENGE = f'resource_metadata="https://api.example.com{METADATA}"'


async def bare(scope: Any, _receive: Any, send: Any) -> None:
    """An ASGI application that tells who calls."""
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            assert (await _receive())["type"] == f"lifespan.{kind}"
            await send({"type": f"lifespan.{kind}.complete"})
        return
    access = scope["state"].get("access")
    body = json.dumps({"client": access.client_id if access else None}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def asgi_app(guard: Guard) -> Any:
    """The middleware around an application."""
    routes = {"DELETE /users/*": Needs.of("admin"), "/users*": Needs.of("read:users"), "/fresh": Needs.of(max_age=60)}
    return GuardMiddleware(bare, guard, routes, public=["/health"])


def litestar_app(guard: Guard) -> Any:
    """A Litestar application."""

    @get("/users", guards=[litestar_requires("read:users")])
    async def users(access: NamedDependency[Access]) -> dict[str, str]:
        return {"client": access.client_id}

    @get("/users/{number:int}", guards=[litestar_requires("admin")])
    async def user(number: FromPath[int]) -> dict[str, int]:
        return {"number": number}

    @get("/fresh", guards=[litestar_requires(max_age=60)])
    async def fresh() -> dict[str, str]:
        return {}

    @get("/health")
    async def health() -> dict[str, None]:
        return {"client": None}

    return Litestar([users, user, fresh, health], plugins=[GuardPlugin(guard, scopes_supported=["read:users"])])


def fastapi_app(guard: Guard) -> Any:
    """A FastAPI application."""
    app = FastAPI(lifespan=lifespan_of(guard))
    protect(app, guard, scopes_supported=["read:users"])

    async def users(access: Any) -> dict[str, str]:
        return {"client": access.client_id}

    async def user(number: int, access: Any) -> dict[str, int]:
        return {"number": number}

    async def fresh() -> dict[str, str]:
        return {}

    async def health() -> dict[str, None]:
        return {"client": None}

    # The guard is known here alone: annotations that are text would be looked for among the module's names.
    users.__annotations__["access"] = Annotated[Access, Depends(starlette_requires(guard, "read:users"))]
    user.__annotations__["access"] = Annotated[Access, Depends(starlette_requires(guard, "admin"))]
    app.get("/users")(users)
    app.get("/users/{number}")(user)
    app.get("/fresh", dependencies=[Depends(starlette_requires(guard, max_age=60))])(fresh)
    app.get("/health")(health)
    return app


def starlette_app(guard: Guard) -> Any:
    """A Starlette application."""

    def route(*scopes: str, **more: Any) -> Callable[[Request], Any]:
        needs = starlette_requires(guard, *scopes, **more)

        async def handle(request: Request) -> Response:
            access = await needs(request)
            return JSONResponse({"client": access.client_id})

        return handle

    async def health(_: Request) -> Response:
        return JSONResponse({"client": None})

    routes = [
        Route("/users", route("read:users")),
        Route("/users/{number:int}", route("admin"), methods=["DELETE", "GET"]),
        Route("/fresh", route(max_age=60)),
        Route("/health", health),
    ]
    app = Starlette(routes=routes, lifespan=lifespan_of(guard))
    protect(app, guard, scopes_supported=["read:users"])
    return app


FRAMEWORKS = {"asgi": asgi_app, "litestar": litestar_app, "fastapi": fastapi_app, "starlette": starlette_app}


@pytest.fixture(params=FRAMEWORKS)
def make(request: pytest.FixtureRequest) -> Callable[[Guard], Any]:
    """Makes the application of a framework."""
    made: Callable[[Guard], Any] = FRAMEWORKS[request.param]
    return made


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that has started."""
    async with AsyncTestClient(app, base_url="https://api.example.com") as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    """The header that presents a token."""
    return {"authorization": f"Bearer {token}"}


async def test_request_with_a_good_token_is_served(make: Callable[[Guard], Any]) -> None:
    """The handler learns who calls."""
    issuer = Issuer()
    async with serving(make(issuer.guard())) as client:
        for _ in range(2):
            answer = await client.get("/users", headers=bearer(issuer.token()))
            assert (answer.status_code, answer.json()) == (200, {"client": "billing-worker"})


async def test_refusals_are_told_as_the_rfc_says(make: Callable[[Guard], Any]) -> None:
    """Status, challenge and a problem, in every framework the same."""
    issuer = Issuer()
    async with serving(make(issuer.guard())) as client:
        none = await client.get("/users")
        assert none.status_code == 401
        assert none.headers["www-authenticate"] == f'Bearer realm="api", {CHALLENGE}'
        bad = await client.get("/users", headers=bearer("x.y.z"))
        assert bad.status_code == 401
        assert bad.headers["www-authenticate"].startswith('Bearer realm="api", error="invalid_token"')
        assert bad.headers["content-type"] == "application/problem+json"
        assert bad.headers["cache-control"] == "no-store"
        assert bad.json() == {
            "type": "about:blank",
            "title": "Unauthorized",
            "status": 401,
            "detail": "The access token is not valid.",
            "error": "invalid_token",
        }
        poor = await client.request("DELETE" if make is asgi_app else "GET", "/users/7", headers=bearer(issuer.token()))
        assert poor.status_code == 403
        assert 'error="insufficient_scope"' in poor.headers["www-authenticate"]
        assert 'scope="admin"' in poor.headers["www-authenticate"]
        both = await client.get("/users?access_token=x", headers=bearer(issuer.token()))
        assert (both.status_code, both.json()["error"]) == (400, "invalid_request")
        old = await client.get("/fresh", headers=bearer(issuer.token(auth_time=int(time.time()) - 3_600)))
        assert old.status_code == 401
        assert 'error="insufficient_user_authentication"' in old.headers["www-authenticate"]
        assert 'max_age="60"' in old.headers["www-authenticate"]


async def test_public_paths_and_the_metadata_need_no_token(make: Callable[[Guard], Any]) -> None:
    """RFC 9728: a client that was refused finds the authorization server."""
    issuer = Issuer()
    async with serving(make(issuer.guard())) as client:
        assert (await client.get("/health")).json() == {"client": None}
        document = (await client.get(METADATA)).json()
    assert document["resource"] == API
    assert document["authorization_servers"] == [ISSUER]
    assert document["bearer_methods_supported"] == ["header"]
    assert "read:users" in document["scopes_supported"]


async def test_issuer_that_is_down_is_503(make: Callable[[Guard], Any]) -> None:
    """No refusal, and no traceback."""
    issuer = Issuer()
    issuer.fails = True
    async with serving(make(issuer.guard())) as client:
        answer = await client.get("/users", headers=bearer(issuer.token()))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "www-authenticate" not in answer.headers


async def test_guard_ends_with_the_application(make: Callable[[Guard], Any]) -> None:
    """Its connections are closed."""
    guard = Issuer().guard()
    async with serving(make(guard)):
        assert not guard._http.is_closed
    assert guard._http.is_closed


async def test_paths_that_no_route_fits_are_not_served() -> None:
    """The middleware opens nothing that was not named: without a token 401, with a good one 404."""
    issuer = Issuer()
    async with serving(asgi_app(issuer.guard())) as client:
        for path in ("/other", "/", "/healthy", "/HEALTH", "//health", "/x/../health/y", "/health%0a", "/health/"):
            assert (await client.get(path)).status_code == 401, path
            assert (await client.get(path, headers=bearer(issuer.token()))).status_code == 404, path
        assert (await client.get("/users/1", headers=bearer(issuer.token(scope="")))).status_code == 403
        assert (await client.delete("/users/1", headers=bearer(issuer.token(scope="admin")))).status_code == 200


@pytest.mark.parametrize("app", ["litestar", "starlette", "fastapi"])
@pytest.mark.parametrize("rule", ["/admin", "/admin*", "GET /admin", "GET /admin*"])
async def test_no_spelling_of_a_path_leads_past_its_rule(app: str, rule: str) -> None:
    """Whatever the router behind takes for the path: who lacks the scope is never served."""
    issuer = Issuer()

    async def served() -> dict[str, str]:
        return {"served": "yes"}

    async def handle(_: Request) -> Response:
        return JSONResponse({"served": "yes"})

    behind: Any = Litestar([get("/admin")(served)])
    if app == "starlette":
        behind = Starlette(routes=[Route("/admin", handle)])
    elif app == "fastapi":
        behind = FastAPI()
        behind.get("/admin")(served)
    middleware: Any = GuardMiddleware(behind, issuer.guard(), {rule: Needs.of("admin"), "/users*": Needs()})
    spellings = [
        "/admin",
        "/admin/",
        "//admin",
        "/admin//",
        "/%2fadmin",
        "/admin%0a",
        "/api/admin",
        "/./admin",
        "/x/../admin",
    ]
    async with serving(middleware) as client:
        for path in spellings:
            for method in ("GET", "HEAD"):
                answer = await client.request(method, path, headers=bearer(issuer.token()))
                assert answer.status_code in {403, 404}, (method, path)
        good = await client.get("/admin", headers=bearer(issuer.token(scope="admin")))
        assert good.json() == {"served": "yes"}


async def test_without_routes_a_good_token_is_enough() -> None:
    """And with `otherwise`, what that says, for paths that no route fits."""
    issuer = Issuer()
    async with serving(GuardMiddleware(bare, issuer.guard())) as client:
        assert (await client.get("/any", headers=bearer(issuer.token(scope="")))).status_code == 200
    strict: Any = GuardMiddleware(bare, issuer.guard(), {"/users": Needs()}, otherwise=Needs.of("admin"))
    async with serving(strict) as client:
        assert (await client.get("/any", headers=bearer(issuer.token()))).status_code == 403
        assert (await client.get("/any", headers=bearer(issuer.token(scope="admin")))).status_code == 200


async def test_websocket_without_a_token_is_not_accepted() -> None:
    """It is closed before it begins."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/users", "headers": [], "query_string": b""}
    await asgi_app(Issuer().guard())(scope, None, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_litestar_without_the_plugin_says_what_is_missing() -> None:
    """A route with a guard and no guard to ask is a mistake of the program, and serves nobody."""

    @get("/users", guards=[litestar_requires("read:users")])
    async def users() -> str:
        return "served"

    async with AsyncTestClient(Litestar([users])) as client:
        assert (await client.get("/users")).status_code == 500


async def test_litestar_route_without_a_guard_has_no_rights_to_tell_of() -> None:
    """It fails rather than tell of somebody who was not looked at."""

    @get("/open")
    async def unguarded(access: NamedDependency[Access]) -> str:
        return access.client_id

    async with AsyncTestClient(Litestar([unguarded], plugins=[GuardPlugin(Issuer().guard())])) as client:
        assert (await client.get("/open")).status_code == 500


def test_route_that_is_no_path_is_a_mistake() -> None:
    """Told when the application is made, not when somebody comes."""
    with pytest.raises(ValueError, match="a route begins with /"):
        GuardMiddleware(bare, Issuer().guard(), {"users": Needs()})

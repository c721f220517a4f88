"""WebSockets are guarded as requests are, in each framework, and refused before they are accepted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from litestar import Litestar, websocket
from litestar import WebSocket as LitestarSocket
from litestar.di import NamedDependency
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from tallystick_guard import Access, Guard, GuardMiddleware, Needs
from tallystick_guard.litestar import GuardPlugin
from tallystick_guard.litestar import requires as litestar_requires
from tallystick_guard.starlette import protect, requires
from tests.guard.issuer import Issuer

CLOSED = [{"type": "websocket.close", "code": 1008}]


def asgi_app(guard: Guard) -> Any:
    """The middleware around an application that tells who calls."""

    async def app(scope: Any, _: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": scope["state"]["access"].client_id})
        await send({"type": "websocket.close", "code": 1000})

    return GuardMiddleware(app, guard, {"/live": Needs.of("read:users")})


def fastapi_app(guard: Guard) -> Any:
    """A FastAPI application."""
    app = FastAPI()
    protect(app, guard)

    async def live(socket: WebSocket, access: Any) -> None:
        await tell(socket, access)

    live.__annotations__ |= {"socket": WebSocket}
    live.__annotations__["access"] = Annotated[Access, Depends(requires(guard, "read:users"))]
    app.websocket("/live")(live)
    return app


def starlette_app(guard: Guard) -> Any:
    """A Starlette application; at `/late` it looks at the token when it has accepted already."""
    needs = requires(guard, "read:users")

    async def live(socket: WebSocket) -> None:
        await tell(socket, await needs(socket))

    async def late(socket: WebSocket) -> None:
        await socket.accept()
        await needs(socket)

    app = Starlette(routes=[WebSocketRoute("/live", live), WebSocketRoute("/late", late)])
    protect(app, guard)
    return app


def litestar_app(guard: Guard) -> Any:
    """A Litestar application."""

    @websocket("/live", guards=[litestar_requires("read:users")])
    async def live(socket: LitestarSocket[Any, Any, Any], access: NamedDependency[Access]) -> None:
        await socket.accept()
        await socket.send_text(access.client_id)
        await socket.close()

    return Litestar([live], plugins=[GuardPlugin(guard)])


async def tell(socket: WebSocket, access: Access) -> None:
    """Accept, tell who calls, and end."""
    await socket.accept()
    await socket.send_text(access.client_id)
    await socket.close()


FRAMEWORKS = {"asgi": asgi_app, "fastapi": fastapi_app, "starlette": starlette_app, "litestar": litestar_app}


async def connect(app: Any, *tokens: str, path: str = "/live", denial: bool = False) -> list[dict[str, Any]]:
    """What an application sends to a caller that connects; `denial` says that the server can answer instead."""
    sent: list[dict[str, Any]] = []
    came = iter([{"type": "websocket.connect"}])

    async def receive() -> Any:
        return next(came, {"type": "websocket.disconnect", "code": 1005})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {token}".encode()) for token in tokens],
        "subprotocols": [],
        "scheme": "wss",
        "http_version": "1.1",
        "client": ("203.0.113.7", 40_000),
        "server": ("api.example.com", 443),
        "extensions": {"websocket.http.response": {}} if denial else {},
        "state": {},
    }
    await app(scope, receive, send)
    return sent


@pytest.fixture(params=FRAMEWORKS)
def make(request: pytest.FixtureRequest) -> Callable[[Guard], Any]:
    """Makes the application of a framework."""
    made: Callable[[Guard], Any] = FRAMEWORKS[request.param]
    return made


async def test_good_token_opens_it(make: Callable[[Guard], Any]) -> None:
    """It is accepted, and its handler knows who calls."""
    issuer = Issuer()
    async with issuer.guard() as guard:
        accepted, told, closed = await connect(make(guard), issuer.token())
    assert accepted["type"] == "websocket.accept"
    assert (told["type"], told["text"]) == ("websocket.send", "billing-worker")
    assert (closed["type"], closed["code"]) == ("websocket.close", 1000)


@pytest.mark.parametrize("scope", [None, "write:users"])
async def test_what_is_refused_is_closed_before_it_is_accepted(make: Callable[[Guard], Any], scope: str | None) -> None:
    """Without a token, or with one that is not enough: 1008, and nothing of the handler's."""
    issuer = Issuer()
    tokens = [] if scope is None else [issuer.token(scope=scope)]
    async with issuer.guard() as guard:
        sent = await connect(make(guard), *tokens)
    assert [(message["type"], message.get("code")) for message in sent] == [("websocket.close", 1008)]


@pytest.mark.parametrize("name", ["asgi", "fastapi", "starlette"])
async def test_where_the_server_can_the_caller_is_told_why(name: str) -> None:
    """The same answer as a request gets: 401 with the challenge, or 403 with the scope that is needed."""
    issuer = Issuer()
    async with issuer.guard() as guard:
        app = FRAMEWORKS[name](guard)
        nobody = await connect(app, denial=True)
        little = await connect(app, issuer.token(scope="write:users"), denial=True)
    for sent, status, told in ((nobody, 401, b'Bearer realm="api"'), (little, 403, b'scope="read:users"')):
        start, body = sent
        assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
        assert told in dict(start["headers"])[b"www-authenticate"]
        assert (body["type"], json.loads(body["body"])["status"]) == ("websocket.http.response.body", status)


async def test_what_was_accepted_too_early_is_closed() -> None:
    """A handler that looks at the token late serves nobody without one."""
    async with Issuer().guard() as guard:
        accepted, closed = await connect(starlette_app(guard), path="/late", denial=True)
    assert accepted["type"] == "websocket.accept"
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


async def test_path_that_is_not_known_is_not_opened() -> None:
    """The middleware closes it, or says that it is not found where the server can."""
    issuer = Issuer()
    async with issuer.guard() as guard:
        app = asgi_app(guard)
        assert await connect(app, issuer.token(), path="/other") == CLOSED
        start, _ = await connect(app, issuer.token(), path="/other", denial=True)
    assert start["status"] == 404

"""How long the guard takes for a request whose token it knows: `make bench-guard`.

An application that answers at once is called with the middleware around it and without, in turn; the difference of the
medians is what the guard costs. Requirement: at most 30 µs.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tallystick_guard import Guard, GuardMiddleware, Needs

ISSUER = "https://auth.example.com"
API = "https://api.example.com/users"
ROUNDS = 15
CALLS = 5_000
TOKENS = 1_000


async def nothing(_scope: Any, _receive: Any, send: Any) -> None:
    """An application that answers at once."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def measure() -> None:
    """Print the cost of a request without and with the guard."""
    private = ec.generate_private_key(ec.SECP256R1())
    key = {**ECAlgorithm.to_jwk(private.public_key(), as_dict=True), "kid": "one", "alg": "ES256", "use": "sig"}

    def answer(request: httpx.Request) -> httpx.Response:
        metadata = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"}
        return httpx.Response(200, json={"keys": [key]} if request.url.path == "/jwks" else metadata)

    guard = Guard(ISSUER, API, http=httpx.AsyncClient(transport=httpx.MockTransport(answer)))
    routes = {"GET /users*": Needs.of("read:users"), "/users*": Needs.of("write:users")}
    guarded = GuardMiddleware(nothing, guard, routes, public=["/health"])
    requests = [request(token(private, number)) for number in range(TOKENS)]
    began = time.process_time()
    for each in requests:
        await call(guarded, each)
    first = (time.process_time() - began) / TOKENS
    bare, with_guard = [], []
    for _ in range(ROUNDS):
        bare.append(await seconds(nothing, requests))
        with_guard.append(await seconds(guarded, requests))
    await guard.close()
    cost = statistics.median(with_guard) - statistics.median(bare)
    print(f"a token that is not known yet (ES256): {first * 1e6:.0f} µs a request")
    print(f"a token that is known: {cost * 1e6:.1f} µs a request (at most 30), over {ROUNDS} rounds of {CALLS} calls")


def token(private: Any, number: int) -> str:
    """An access token of its own."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": "worker",
        "aud": API,
        "exp": now + 3_600,
        "iat": now,
        "jti": f"0199c000-0000-7000-8000-000000000001.{number}",
        "client_id": "worker",
        "scope": "read:users write:users",
        "grant_id": "0199c000-0000-7000-8000-000000000001",
    }
    return jwt.encode(claims, private, "ES256", headers={"typ": "at+jwt", "kid": "one"})


def request(bearer: str) -> dict[str, Any]:
    """A request as an ASGI server hands it over, with the headers that a client sends."""
    return {
        "type": "http",
        "method": "GET",
        "path": "/users/7",
        "query_string": b"page=2",
        "headers": [
            (b"host", b"api.example.com"),
            (b"user-agent", b"python-httpx/0.28"),
            (b"accept", b"*/*"),
            (b"accept-encoding", b"gzip"),
            (b"authorization", f"Bearer {bearer}".encode()),
        ],
        "client": ("203.0.113.7", 40_000),
    }


async def call(app: Any, scope: dict[str, Any]) -> None:
    """One request; it must be served."""

    async def send(message: Any) -> None:
        assert message.get("status", 200) == 200, message

    await app(dict(scope), None, send)


async def seconds(app: Any, requests: list[dict[str, Any]]) -> float:
    """What a request takes, of CPU."""
    began = time.process_time()
    for number in range(CALLS):
        await call(app, requests[number % TOKENS])
    return (time.process_time() - began) / CALLS


if __name__ == "__main__":
    asyncio.run(measure())

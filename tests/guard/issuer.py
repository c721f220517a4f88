"""An issuer whose keys the tests hold, and requests as an ASGI server hands them over."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from tallystick_guard import Guard

ISSUER = "https://auth.example.com"
API = "https://api.example.com/users"
KINDS: dict[str, Any] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
}


class Issuer:
    """Publishes keys by its metadata, and counts who asks. `fails` has it answer 503."""

    def __init__(self, url: str = ISSUER, alg: str = "ES256") -> None:
        self.url = url
        self.alg = alg
        self.kid = "one"
        self.private = KINDS[alg]()
        self.keys: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.fails = False
        self.max_age = 300
        self.publish(self.kid, self.private, alg)

    def publish(self, kid: str, private: Any, alg: str) -> None:
        """Add a key to the set."""
        jwk = get_default_algorithms()[alg].to_jwk(private.public_key(), as_dict=True)
        self.keys[kid] = {**dict(jwk), "kid": kid, "alg": alg, "use": "sig"}

    def rotate(self, kid: str) -> None:
        """Sign with a new key from now on; the old one stays published."""
        self.kid, self.private = kid, KINDS[self.alg]()
        self.publish(kid, self.private, self.alg)

    def client(self) -> httpx.AsyncClient:
        """An HTTP client that reaches this issuer and nothing else."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def guard(self, audience: str = API, **settings: Any) -> Guard:
        """A guard that trusts this issuer."""
        return Guard(self.url, audience, http=self.client(), **settings)

    def token(self, headers: dict[str, Any] | None = None, key: Any = None, **changes: Any) -> str:
        """A good access token but for the changes; None leaves a claim out."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.url,
            "sub": "billing-worker",
            "aud": API,
            "exp": now + 600,
            "iat": now,
            "jti": "0199c000-0000-7000-8000-000000000001.1",
            "client_id": "billing-worker",
            "scope": "read:users write:users",
            "grant_id": "0199c000-0000-7000-8000-000000000001",
        }
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        told = {"typ": "at+jwt", "kid": self.kid} | (headers or {})
        told = {name: value for name, value in told.items() if value is not None}
        algorithm = told.pop("alg", self.alg)
        return jwt.encode(claims, self.private if key is None else key, algorithm, headers=told)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if self.fails:
            return httpx.Response(503)
        if request.url.path == "/.well-known/oauth-authorization-server":
            return httpx.Response(200, json={"issuer": self.url, "jwks_uri": f"{self.url}/jwks"})
        body = json.dumps({"keys": list(self.keys.values())})
        return httpx.Response(200, text=body, headers={"cache-control": f"max-age={self.max_age}"})


def request(
    *tokens: str,
    method: str = "GET",
    path: str = "/users",
    query: bytes = b"",
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> dict[str, Any]:
    """The ASGI scope of a request with an `Authorization: Bearer` header for each token."""
    bearers = [(b"authorization", f"Bearer {token}".encode()) for token in tokens]
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "headers": [*bearers, (b"user-agent", b"test/1.0"), *headers],
        "client": ("203.0.113.7", 40_000),
    }

"""Client assertions for `private_key_jwt` (RFC 7523), signed before they are needed: each is good once."""

from __future__ import annotations

import time
import uuid
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

SIGNING_WORKER = "signing-worker"
"""The client that has a key, and no secret."""
_SECONDS = 1_800
_KEY_ID = "es256"


class Signer:
    """The key of a client, an ES256 one."""

    def __init__(self, client: str = SIGNING_WORKER) -> None:
        self.client = client
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwks(self) -> dict[str, Any]:
        """Its public half, as a server takes it (RFC 7517)."""
        jwk = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        named = {"kid": _KEY_ID, "alg": "ES256", "use": "sig"}
        return {"keys": [{**{name: jwk[name] for name in ("kty", "crv", "x", "y")}, **named}]}

    def forms(self, audience: str, number: int) -> list[str]:
        """What proves who asks, as so many forms, each with an identifier (`jti`) of its own."""
        now = int(time.time())
        claims = {"iss": self.client, "sub": self.client, "aud": audience, "iat": now, "exp": now + _SECONDS}
        kind = urlencode({"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"})
        return [f"{kind}&client_assertion={self._signed({**claims, 'jti': uuid.uuid4().hex})}" for _ in range(number)]

    def _signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._key, "ES256", headers={"kid": _KEY_ID})

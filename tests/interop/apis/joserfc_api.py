"""An API that verifies access tokens with joserfc, by the issuer's published keys (docs/verifiers.md)."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, Response, request
from issuer_keys import IssuerKeys
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

ISSUER, AUDIENCE = os.environ["ISSUER"], os.environ["AUDIENCE"]
KEYS = IssuerKeys(ISSUER)
ALGORITHMS = ["ES256", "EdDSA", "RS256", "PS256"]
CLAIMS = jwt.JWTClaimsRegistry(
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": AUDIENCE},
    exp={"essential": True},
    client_id={"essential": True},
)

app = Flask(__name__)


def claims_of(token: str) -> dict[str, Any]:
    """The claims of an access token (RFC 9068). Raises JoseError or ValueError."""
    decoded = jwt.decode(token, KeySet.import_key_set(KEYS.get()), algorithms=ALGORITHMS)
    CLAIMS.validate(decoded.claims)
    if decoded.header.get("typ") != "at+jwt":
        raise ValueError("it is no access token")
    return decoded.claims


def refused(status: int, challenge: str = "") -> Response:
    """An answer with the challenge of RFC 6750 section 3."""
    return Response(status=status, headers={"WWW-Authenticate": f'Bearer realm="api"{challenge}'})


@app.get("/users")
def users() -> Response | dict[str, Any]:
    """Whoever may read users."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return refused(401)
    try:
        claims = claims_of(token)
    except (JoseError, ValueError):
        return refused(401, ', error="invalid_token"')
    if "read:users" not in claims["scope"].split():
        return refused(403, ', error="insufficient_scope", scope="read:users"')
    return {"users": ["zoe"], "asked_by": claims["client_id"]}


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ["PORT"]))

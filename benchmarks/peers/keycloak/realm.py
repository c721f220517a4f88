"""The realm that Keycloak imports (Server Administration Guide, "Importing a realm")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.peers.clients import USERS_API, WEB_APP, WORKER
from benchmarks.peers.peer import CALLBACK, LIFETIME, SCOPE, USERS

NAME = "benchmark"
PERSON = "zoe"


def realm(secrets: Mapping[str, str], password: str) -> dict[str, Any]:
    """ES256 for everything, refresh tokens that are used once, one API with one scope, its clients and a person."""
    return {
        "realm": NAME,
        "enabled": True,
        "sslRequired": "none",
        "defaultSignatureAlgorithm": "ES256",
        "accessTokenLifespan": LIFETIME,
        # So that grants are soon made: no case that is measured signs anybody in.
        "passwordPolicy": "hashAlgorithm(pbkdf2-sha256) and hashIterations(1000)",
        "revokeRefreshToken": True,
        "refreshTokenMaxReuse": 0,
        "components": {"org.keycloak.keys.KeyProvider": [_keys("ecdsa-generated"), _keys("hmac-generated")]},
        "clientScopes": [_basic(), _read_users()],
        "clients": [
            _client(WORKER, secrets, serviceAccountsEnabled=True),
            _client(USERS_API, secrets),
            _client(WEB_APP, secrets, standardFlowEnabled=True, redirectUris=[CALLBACK]),
        ],
        "users": [
            {
                "username": PERSON,
                "enabled": True,
                "email": f"{PERSON}@example.com",
                "emailVerified": True,
                "firstName": "Zoe",
                "lastName": "Example",
                "credentials": [{"type": "password", "value": password}],
            }
        ],
    }


def _keys(provider: str) -> dict[str, Any]:
    algorithm = {"ecdsaEllipticCurveKey": ["P-256"]} if provider.startswith("ecdsa") else {"algorithm": ["HS512"]}
    return {"name": provider, "providerId": provider, "config": {"priority": ["100"], **algorithm}}


def _basic() -> dict[str, Any]:
    """Of this one, a token has its subject."""
    mapper = {"name": "sub", "protocol": "openid-connect", "protocolMapper": "oidc-sub-mapper"}
    config = {"access.token.claim": "true", "introspection.token.claim": "true"}
    return _scope("basic", "false", mapper | {"config": config})


def _read_users() -> dict[str, Any]:
    """The API's scope brings its audience, and that of the API's client: only those of the audience may introspect."""
    return _scope(
        SCOPE,
        "true",
        _audience("api", {"included.custom.audience": USERS}),
        _audience("introspection", {"included.client.audience": USERS_API}),
    )


def _scope(name: str, included: str, *mappers: dict[str, Any]) -> dict[str, Any]:
    attributes = {"include.in.token.scope": included}
    return {"name": name, "protocol": "openid-connect", "attributes": attributes, "protocolMappers": list(mappers)}


def _audience(name: str, config: dict[str, str]) -> dict[str, Any]:
    claims = {"access.token.claim": "true", "introspection.token.claim": "true"}
    mapper = {"name": name, "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper"}
    return mapper | {"config": claims | config}


def _client(name: str, secrets: Mapping[str, str], **more: Any) -> dict[str, Any]:
    return {
        "clientId": name,
        "secret": secrets[name],
        "clientAuthenticatorType": "client-secret",
        "publicClient": False,
        "standardFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "fullScopeAllowed": False,
        "defaultClientScopes": ["basic"],
        "optionalClientScopes": [SCOPE],
        "attributes": {"access.token.signed.response.alg": "ES256", "access.token.header.type.rfc9068": "true"},
        **more,
    }

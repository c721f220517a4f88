"""What a client can find out by itself: the server's metadata (RFC 8414) and its public keys (RFC 7517)."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from service.client_auth.assertion import ALGORITHMS
from service.endpoints.core import Core
from service.grants import SUPPORTED_GRANTS

_CONFIDENTIAL = ["client_secret_basic", "client_secret_post", "private_key_jwt"]


def discovery_routes(core: Core) -> list[HTTPRouteHandler]:
    """The discovery endpoints."""

    @get("/.well-known/oauth-authorization-server", sync_to_thread=False, media_type="application/json")
    def metadata() -> Response[dict[str, Any]]:
        """Authorization server metadata: what is there, and nothing else."""
        return Response(_metadata(core), headers={"cache-control": f"public, max-age={core.settings.jwks_max_age}"})

    @get("/.well-known/jwks.json", sync_to_thread=False, media_type="application/jwk-set+json")
    def jwks() -> Response[bytes]:
        """The keys that sign now, will sign next, or have signed a token that may still live."""
        keys = [key.jwk for key in core.state.keys.published(time.time())]
        return Response(
            msgspec.json.encode({"keys": keys}),
            headers={"cache-control": f"public, max-age={core.settings.jwks_max_age}"},
        )

    return [metadata, jwks]


def _metadata(core: Core) -> dict[str, Any]:
    issuer = core.issuer
    resources = core.state.access.resources.values()
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth2/token",
        "introspection_endpoint": f"{issuer}/oauth2/introspect",
        "revocation_endpoint": f"{issuer}/oauth2/revoke",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": [],
        "grant_types_supported": list(SUPPORTED_GRANTS),
        "scopes_supported": sorted({scope for resource in resources for scope in resource.scopes}),
        "protected_resources": sorted(resource.uri for resource in resources),
        "token_endpoint_auth_methods_supported": _CONFIDENTIAL,
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": _CONFIDENTIAL,
        "introspection_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": [*_CONFIDENTIAL, "none"],
        "revocation_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
    }

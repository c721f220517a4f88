"""What a client can find out by itself: the server's metadata (RFC 8414, OpenID Connect Discovery 1.0) and its public
keys (RFC 7517).
"""

from __future__ import annotations

import time
from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from service.accounts.acr import ACR_VALUES
from service.client_auth.assertion import ALGORITHMS
from service.endpoints.core import Core
from service.grants import SUPPORTED_GRANTS
from service.oidc.claims import CLAIMS
from service.oidc.scopes import IDENTITY_SCOPES

_CONFIDENTIAL = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
_OF_TOKENS = ("sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash")


def discovery_routes(core: Core) -> list[HTTPRouteHandler]:
    """The discovery endpoints. Scripts of any site may read them (CORS)."""
    headers = {"cache-control": f"public, max-age={core.settings.jwks_max_age}", "access-control-allow-origin": "*"}

    @get(
        ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"],
        sync_to_thread=False,
        media_type="application/json",
    )
    def metadata() -> Response[dict[str, Any]]:
        """The server's metadata: what is there, and nothing else."""
        return Response(_metadata(core), headers=headers)

    @get("/.well-known/jwks.json", sync_to_thread=False, media_type="application/jwk-set+json")
    def jwks() -> Response[bytes]:
        """The keys that sign now, will sign next, or have signed a token that may still live."""
        keys = [key.jwk for key in core.state.keys.published(time.time())]
        return Response(msgspec.json.encode({"keys": keys}), headers=headers)

    return [metadata, jwks]


def _metadata(core: Core) -> dict[str, Any]:
    resources = core.state.access.resources.values()
    of_resources = {scope for resource in resources for scope in resource.scopes}
    return {
        "issuer": core.issuer,
        "jwks_uri": f"{core.issuer}/.well-known/jwks.json",
        "grant_types_supported": list(SUPPORTED_GRANTS),
        "scopes_supported": sorted({*IDENTITY_SCOPES, *of_resources}),
        "protected_resources": sorted(resource.uri for resource in resources),
        **_of_authorization(core.issuer),
        **_of_clients(core.issuer),
        **_of_people(core),
    }


def _of_authorization(issuer: str) -> dict[str, Any]:
    """What a browser is sent to, and how it is answered."""
    return {
        "authorization_endpoint": f"{issuer}/oauth2/authorize",
        "device_authorization_endpoint": f"{issuer}/oauth2/device_authorization",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "ui_locales_supported": ["en"],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }


def _of_clients(issuer: str) -> dict[str, Any]:
    """The endpoints that clients call, and how they prove there who they are."""
    algorithms = list(ALGORITHMS)
    return {
        "token_endpoint": f"{issuer}/oauth2/token",
        "token_endpoint_auth_methods_supported": [*_CONFIDENTIAL, "none"],
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint": f"{issuer}/oauth2/introspect",
        "introspection_endpoint_auth_methods_supported": _CONFIDENTIAL,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint": f"{issuer}/oauth2/revoke",
        "revocation_endpoint_auth_methods_supported": [*_CONFIDENTIAL, "none"],
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
    }


def _of_people(core: Core) -> dict[str, Any]:
    """What is said of people: ID tokens, userinfo, and that they signed out."""
    keys = core.state.keys.published(time.time())
    return {
        "userinfo_endpoint": f"{core.issuer}/oauth2/userinfo",
        "end_session_endpoint": f"{core.issuer}/oauth2/logout",
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": sorted({key.alg for key in keys}),
        "acr_values_supported": list(ACR_VALUES),
        "claim_types_supported": ["normal"],
        "claims_supported": [*_OF_TOKENS, *CLAIMS],
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }

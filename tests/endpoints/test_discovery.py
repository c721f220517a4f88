from __future__ import annotations

import time
from typing import Any

import jwt
import pytest

from schema.envelope import Context
from schema.events import ResourceRemoved
from schema.streams import resource_stream
from service.accounts.acr import ACR_VALUES
from service.client_auth.assertion import ALGORITHMS
from service.endpoints.token import _GRANTS
from service.grants import SUPPORTED_GRANTS
from service.keys.manage import KeyManager
from service.keys.master import load_keys
from service.keys.vault import Vault
from service.oidc.scopes import IDENTITY_SCOPES, SCOPE_CLAIMS
from service.settings import Settings
from tests.endpoints.world import PAYMENTS, SCOPES, USERS, World

METADATA = "/.well-known/oauth-authorization-server"
CONFIGURATION = "/.well-known/openid-configuration"
JWKS = "/.well-known/jwks.json"
PUBLIC_MEMBERS = {"kty", "crv", "x", "y", "n", "e", "alg", "use", "kid"}


async def get(world: World, path: str) -> dict[str, Any]:
    """A JSON document."""
    response = await world.http.get(path)
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


async def published(world: World) -> list[str]:
    """The kids of the published keys."""
    return [key["kid"] for key in (await get(world, JWKS))["keys"]]


def manager(world: World, settings: Settings, publish_ahead: int) -> KeyManager:
    """Who changes the keys, with a publish-ahead time in seconds."""
    journal = world.core.journal
    return KeyManager(journal, Vault(journal, load_keys(settings).wrapping), publish_ahead)


def kid_of(token: str) -> str:
    """The key that signed a token."""
    kid: str = jwt.get_unverified_header(token)["kid"]
    return kid


@pytest.mark.asyncio(loop_scope="session")
async def test_metadata_tells_exactly_what_is_there(world: World) -> None:
    """RFC 8414: every endpoint named answers, and what is supported is what the code has."""
    metadata = await get(world, METADATA)
    issuer = metadata["issuer"]
    assert world.core.issuer == issuer
    for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint"):
        response = await world.http.post(metadata[name].removeprefix(issuer), data={"token": "x"})
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert (await get(world, metadata["jwks_uri"].removeprefix(issuer)))["keys"]
    assert list(SUPPORTED_GRANTS) == metadata["grant_types_supported"] == list(_GRANTS)
    assert set(SCOPES) <= set(metadata["protected_resources"])
    scopes = {scope for scopes in SCOPES.values() for scope in scopes}
    assert {*scopes, *IDENTITY_SCOPES} <= set(metadata["scopes_supported"])
    secrets = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
    anyone = [*secrets, "none"]
    for endpoint, methods in (("token", anyone), ("introspection", secrets), ("revocation", anyone)):
        assert methods == metadata[f"{endpoint}_endpoint_auth_methods_supported"]
        assert list(ALGORITHMS) == metadata[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]


@pytest.mark.asyncio(loop_scope="session")
async def test_both_metadata_documents_are_one(world: World) -> None:
    """RFC 8414 and OpenID Connect Discovery 1.0 tell of the same server."""
    assert await get(world, METADATA) == await get(world, CONFIGURATION)


@pytest.mark.asyncio(loop_scope="session")
async def test_metadata_tells_of_people_signing_in(world: World) -> None:
    """What OpenID Connect and the other documents that add to the metadata require, and no flow that is not there."""
    metadata = await get(world, CONFIGURATION)
    core = world.core
    expected = {
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": sorted({key.alg for key in core.state.keys.published(time.time())}),
        "acr_values_supported": list(ACR_VALUES),
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }
    assert expected == {name: metadata.get(name) for name in expected}
    assert {claim for claims in SCOPE_CLAIMS.values() for claim in claims} <= set(metadata["claims_supported"])
    assert "frontchannel_logout_supported" not in metadata


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("name", ["authorization", "device_authorization", "userinfo", "end_session"])
async def test_endpoints_for_people_are_there(world: World, name: str) -> None:
    """Each answers by its own rules, whatever it thinks of an empty request."""
    metadata = await get(world, CONFIGURATION)
    path = metadata[f"{name}_endpoint"].removeprefix(world.core.issuer)
    response = await world.http.request("POST" if name == "device_authorization" else "GET", path)
    assert response.status_code in {200, 303, 400, 401}
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("path", [METADATA, CONFIGURATION, JWKS])
async def test_scripts_of_any_site_may_read_discovery(world: World, path: str) -> None:
    """A client in a browser finds everything by itself (CORS)."""
    response = await world.http.get(path, headers={"origin": "https://spa.example.net"})
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("path", "media_type"),
    [(METADATA, "application/json"), (CONFIGURATION, "application/json"), (JWKS, "application/jwk-set+json")],
)
async def test_discovery_may_be_cached(world: World, path: str, media_type: str) -> None:
    """Metadata and keys have their media type and a cache lifetime shorter than the publish-ahead time."""
    response = await world.http.get(path)
    settings = world.core.settings
    assert [media_type] == response.headers.get_list("content-type")
    assert f"public, max-age={settings.jwks_max_age}" == response.headers["cache-control"]
    assert settings.jwks_max_age < settings.key_publish_ahead


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("path", [METADATA, CONFIGURATION, JWKS])
async def test_discovery_is_read_only(world: World, path: str) -> None:
    """Discovery takes GET and HEAD, and answers others as a problem document."""
    refused = await world.http.post(path)
    assert (refused.status_code, refused.json()["status"]) == (405, 405)


async def test_keys_are_rotated_without_a_gap(fresh: World, settings: Settings) -> None:
    """The next key is published before it signs; the one before stays published, and its tokens active."""
    keys = manager(fresh, settings, publish_ahead=3_600)
    first = await fresh.issue(fresh.service)
    assert [kid_of(first)] == await published(fresh)
    waiting = await keys.rotate("ES256", Context())
    second = await fresh.issue(fresh.service)
    assert {kid_of(first), waiting} == set(await published(fresh))
    assert kid_of(first) == kid_of(second)
    await keys.do_what_is_due()
    assert kid_of(first) == kid_of(await fresh.issue(fresh.service))
    assert waiting == await keys.rotate("ES256", Context(), now=True)
    third = await fresh.issue(fresh.service)
    assert waiting == kid_of(third)
    assert {kid_of(first), waiting} == set(await published(fresh))
    for token in (first, second, third):
        assert (await fresh.introspect(token)).body["active"] is True
        jwk = next(key for key in (await get(fresh, JWKS))["keys"] if key["kid"] == kid_of(token))
        assert jwt.decode(token, jwt.PyJWK(jwk), audience=USERS)["aud"] == USERS


async def test_due_key_signs(fresh: World, settings: Settings) -> None:
    """Once its publish-ahead time has passed, the chore makes the next key the current one."""
    keys = manager(fresh, settings, publish_ahead=1)
    waiting = await keys.rotate("ES256", Context())
    while time.time() < fresh.core.state.keys.keys[waiting].activates_at:
        assert waiting != kid_of(await fresh.issue(fresh.service))
        await keys.do_what_is_due()
        if fresh.core.state.keys.keys[waiting].status == "current":
            break
    await keys.do_what_is_due()
    assert waiting == kid_of(await fresh.issue(fresh.service))


@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256", "PS256"])
async def test_each_signing_algorithm_can_be_chosen(fresh: World, settings: Settings, algorithm: Any) -> None:
    """A token of each algorithm is verified by a plain JWT library and by introspection; no private member is shown."""
    kid = await manager(fresh, settings, 900).rotate(algorithm, Context(), now=True)
    token = await fresh.issue(fresh.service)
    document = await get(fresh, JWKS)
    assert {"kid": kid, "alg": algorithm, "typ": "at+jwt"} == jwt.get_unverified_header(token)
    key = jwt.PyJWKSet.from_dict(document)[kid]
    claims = jwt.decode(token, key, algorithms=[algorithm], audience=USERS, issuer=fresh.core.issuer)
    assert claims["client_id"] == fresh.service.client_id
    assert (await fresh.introspect(token)).body["active"] is True
    assert all(jwk.keys() <= PUBLIC_MEMBERS and jwk["use"] == "sig" for jwk in document["keys"])


async def test_metadata_follows_the_access_model(fresh: World) -> None:
    """A resource that was removed is no longer told of."""
    await fresh.append(resource_stream(PAYMENTS), 1, ResourceRemoved(uri=PAYMENTS))
    metadata = await get(fresh, METADATA)
    assert PAYMENTS not in metadata["protected_resources"]
    assert "read:payments" not in metadata["scopes_supported"]

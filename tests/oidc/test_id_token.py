from __future__ import annotations

import hashlib
import time
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from authlib.oidc.core import CodeIDToken
from joserfc import jwt as jose
from joserfc.jwk import KeySet

from schema.envelope import Context
from service.keys.manage import KeyManager
from service.keys.master import load_keys
from service.keys.vault import Vault
from service.oidc.id_token import amr_of, at_hash
from service.settings import Settings
from service.tokens.jwt import NotOurToken, read_claims
from tests.conftest import MASTER_KEY
from tests.oidc.world import PASSWORD_AND_APP, OidcWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALGORITHMS = ["ES256", "EdDSA", "RS256", "PS256"]


async def claims_in(world: OidcWorld, token: str, **options: Any) -> dict[str, Any]:
    """The claims, once two libraries have found the token good by the published keys."""
    keys = KeySet.import_key_set((await world.http.get("/.well-known/jwks.json")).json())
    decoded = jose.decode(token, keys, algorithms=ALGORITHMS)
    assert decoded.header["typ"] == "JWT"
    needed = {"iss": {"value": world.core.issuer}, "sub": {"essential": True}}
    checked = CodeIDToken(decoded.claims, decoded.header, needed, options)
    checked.validate()
    claims: dict[str, Any] = dict(decoded.claims)
    return claims


async def test_id_token_says_who_signed_in_how_and_when(oidc: OidcWorld) -> None:
    """Every claim of OpenID Connect Core section 2, and nothing about the person that was not asked for."""
    person = await oidc.person(email="zoe@example.com", roles=())
    session = await oidc.session(person, PASSWORD_AND_APP)
    given = await oidc.grant(await oidc.client(), session, "openid profile email")
    now = int(time.time())
    token = await oidc.id_token(given, now=now, nonce="n-0S6_WzA2Mj", access_token=given.access_token)
    claims = await claims_in(oidc, token, nonce="n-0S6_WzA2Mj", access_token=given.access_token)
    assert {
        "iss": oidc.core.issuer,
        "sub": person.subject,
        "aud": given.client.client_id,
        "exp": now + oidc.core.settings.id_token_lifetime,
        "iat": now,
        "auth_time": given.giver.auth_time,
        "acr": "2fa",
        "amr": ["pwd", "otp", "mfa"],
        "sid": str(session.id),
        "nonce": "n-0S6_WzA2Mj",
        "at_hash": at_hash(given.access_token, "ES256"),
    } == claims


async def test_id_token_without_nonce_and_access_token_has_no_claims_of_them(oidc: OidcWorld) -> None:
    """What was not sent is not in it, rather than null."""
    given = await oidc.grant(await oidc.client(), await oidc.session(await oidc.person()))
    claims = await claims_in(oidc, await oidc.id_token(given))
    assert claims.keys() & {"nonce", "at_hash"} == set()
    assert (claims["acr"], claims["amr"]) == ("1fa", ["pwd"])


async def test_claims_parameter_names_what_the_id_token_has(oidc: OidcWorld) -> None:
    """Claims asked for by name are there as far as they exist; those of a scope the client may not have are not."""
    session = await oidc.session(await oidc.person(email="zoe@example.com"))
    named = ("email", "name", "roles", "phone_number", "sub", "iss")
    given = await oidc.grant(await oidc.client(), session, id_token_claims=named)
    claims = await claims_in(oidc, await oidc.id_token(given))
    assert ("zoe@example.com", session.person.name, []) == (claims["email"], claims["name"], claims["roles"])
    assert claims.keys() & {"phone_number", "email_verified"} == set()
    narrow = await oidc.grant(await oidc.client(scopes=("openid",)), session, id_token_claims=named)
    assert (await claims_in(oidc, await oidc.id_token(narrow))).keys() & {"email", "name", "roles"} == set()


async def test_id_token_is_no_access_token(oidc: OidcWorld) -> None:
    """It is signed by the same keys, but neither userinfo nor the reader of access tokens takes it."""
    given = await oidc.grant(await oidc.client(), await oidc.session(await oidc.person()))
    token = await oidc.id_token(given)
    with pytest.raises(NotOurToken):
        read_claims(token, oidc.core.ring.verifiers())
    refused = await oidc.http.get("/oauth2/userinfo", headers={"authorization": f"Bearer {token}"})
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("alg", "name"), [("ES256", "sha256"), ("RS256", "sha256"), ("PS256", "sha256"), ("EdDSA", "sha512")]
)
async def test_at_hash_is_the_left_half_of_the_hash_of_the_signature(alg: str, name: str) -> None:
    """OpenID Connect Core section 3.1.3.6; Ed25519 hashes by SHA-512 (RFC 8032)."""
    digest = hashlib.new(name, b"a-token").digest()
    assert urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode() == at_hash("a-token", alg)


@pytest.mark.parametrize(
    ("methods", "acr", "told"),
    [
        (("pwd",), "1fa", ["pwd"]),
        (("pwd", "otp"), "2fa", ["pwd", "otp", "mfa"]),
        (("pwd", "recovery"), "2fa", ["pwd", "otp", "mfa"]),
        (("pop", "user"), "phr", ["pop", "user", "mfa"]),
    ],
)
async def test_methods_are_told_in_the_words_of_rfc_8176(methods: tuple[str, ...], acr: str, told: list[str]) -> None:
    """Two factors are `mfa`; a recovery code is a one-time password."""
    assert told == amr_of(methods, acr)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # joserfc prefers the names of RFC 9864
@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256", "PS256"])
async def test_each_signing_algorithm_makes_good_id_tokens(oidc: OidcWorld, algorithm: Any) -> None:
    """Two libraries find them good, at_hash included; the metadata names the algorithm."""
    settings = Settings(master_key=MASTER_KEY)
    manager = KeyManager(oidc.core.journal, Vault(oidc.core.journal, load_keys(settings).wrapping), 900)
    given = await oidc.grant(await oidc.client(), await oidc.session(await oidc.person()))
    await manager.rotate(algorithm, Context(), now=True)
    token = await oidc.id_token(given, access_token=given.access_token)
    await claims_in(oidc, token, access_token=given.access_token)
    metadata = (await oidc.http.get("/.well-known/openid-configuration")).json()
    assert algorithm in metadata["id_token_signing_alg_values_supported"]
    await manager.rotate("ES256", Context(), now=True)

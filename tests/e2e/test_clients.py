"""Other people's OAuth clients get, use and revoke tokens with nothing special-cased."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import jwt
import pytest
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

from tests.product import Product

USERS = "https://api.example.com/users"


@pytest.fixture(autouse=True)
def plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """oauthlib takes plain HTTP only when told; the product listens on loopback here."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


def _metadata(product: Product) -> dict[str, str]:
    found: dict[str, str] = httpx.get(f"{product.url}/.well-known/oauth-authorization-server").json()
    return found


def test_requests_oauthlib_gets_a_token(product: Product) -> None:
    """requests-oauthlib completes the client credentials grant with client_secret_basic."""
    session = OAuth2Session(client=BackendApplicationClient("worker"))
    token = session.fetch_token(
        _metadata(product)["token_endpoint"], auth=("worker", product.secret("worker")), resource=USERS
    )

    assert (token["token_type"], token["expires_in"], list(token["scope"])) == ("Bearer", 600, ["read:users"])


def test_authlib_gets_introspects_and_revokes(product: Product) -> None:
    """Authlib gets a token, an API introspects it with Authlib, its owner revokes it, and it is no longer active."""
    found = _metadata(product)
    with (
        AuthlibSession("worker", product.secret("worker")) as service,
        AuthlibSession("users-api", product.secret("users-api")) as api,
    ):
        token = service.fetch_token(found["token_endpoint"], grant_type="client_credentials", resource=USERS)
        before = api.introspect_token(found["introspection_endpoint"], token=token["access_token"]).json()
        revoked = service.revoke_token(  # type: ignore[no-untyped-call]  # the stubs leave it out
            found["revocation_endpoint"], token=token["access_token"]
        )
        after = api.introspect_token(found["introspection_endpoint"], token=token["access_token"]).json()

    assert (before["active"], before["client_id"], before["aud"]) == (True, "worker", USERS)
    assert revoked.status_code == 200
    assert after == {"active": False}


def test_authlib_authenticates_by_private_key_jwt(product: Product, tmp_path: Path) -> None:
    """A client registered by the command line with its public key proves itself with Authlib's assertion."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [public]}))
    product.cli(
        *("client", "add", "keyed-worker", "--auth-method", "private_key_jwt", "--jwks", str(jwks)),
        *("--grant", "client_credentials", "--scope", "read:users", "--resource", USERS),
    )
    endpoint = _metadata(product)["token_endpoint"]
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with AuthlibSession("keyed-worker", pem, token_endpoint_auth_method=PrivateKeyJWT(endpoint)) as session:
        token = session.fetch_token(endpoint, grant_type="client_credentials")

    assert token["scope"] == "read:users"


def test_a_verifier_accepts_the_token_by_the_published_key(product: Product) -> None:
    """PyJWT verifies the token with nothing but the metadata: signature, issuer, audience, expiry, type."""
    found = _metadata(product)
    with AuthlibSession("worker", product.secret("worker")) as service:
        token = service.fetch_token(found["token_endpoint"], grant_type="client_credentials", resource=USERS)
    key = jwt.PyJWKSet.from_dict(httpx.get(found["jwks_uri"]).json()).keys[0]
    claims = jwt.decode(token["access_token"], key, algorithms=["ES256"], audience=USERS, issuer=found["issuer"])

    assert jwt.get_unverified_header(token["access_token"])["typ"] == "at+jwt"
    assert (claims["sub"], claims["client_id"], claims["scope"]) == ("worker", "worker", "read:users")

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm, HMACAlgorithm

from schema.events import ClientRegistered, ClientRemoved
from schema.streams import client_stream
from service.oidc.hint import read_id_token_hint
from tests.oidc.world import Given, OidcWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")


def base64url(raw: bytes) -> str:
    """Without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


async def good(world: OidcWorld, **settings: Any) -> tuple[Given, str]:
    """A grant and an ID token of it that is a good hint."""
    given = await world.grant(await world.client(**settings), await world.session(await world.person()))
    token = await world.id_token(given)
    assert read_id_token_hint(world.core, token) is not None
    return given, token


def forged(token: str, key: Any, alg: str, **header: Any) -> str:
    """The same claims, signed by another key, under the same `kid` unless `header` says otherwise."""
    claims = jwt.decode(token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(token)["kid"]
    return jwt.encode(claims, key, alg, headers={"kid": kid} | header)


async def test_hint_says_to_whom_of_whom_and_of_which_session(oidc: OidcWorld) -> None:
    """The client, the subject as it knows it, the session."""
    given, token = await good(oidc)
    hint = read_id_token_hint(oidc.core, token)
    assert hint is not None
    assert (given.client.client_id, given.giver.subject, given.giver.session) == (hint.aud, hint.sub, hint.sid)


async def test_expired_id_token_is_a_good_hint(oidc: OidcWorld) -> None:
    """RP-Initiated Logout section 2: it says who it was about, however old it is."""
    given, _ = await good(oidc)
    old = await oidc.id_token(given, now=int(time.time()) - 86_400)
    assert read_id_token_hint(oidc.core, old) is not None


async def test_hint_of_a_pairwise_client_has_what_that_client_knows(oidc: OidcWorld) -> None:
    """Neither the account's subject nor the session's id: both are compared by way of the client."""
    given, token = await good(oidc, subject_type="pairwise")
    hint, subjects = read_id_token_hint(oidc.core, token), oidc.core.subjects
    assert hint is not None
    assert hint.sub == subjects.of(given.client, given.giver.subject) != given.giver.subject
    assert hint.sid == subjects.session(given.client, given.giver.session) != given.giver.session


async def test_alg_none_is_no_hint(oidc: OidcWorld) -> None:
    """Neither without a signature nor with the old one, in any case."""
    _, token = await good(oidc)
    _, payload, signature = token.split(".")
    for name in ("none", "None", "NONE", "nOnE"):
        header = base64url(json.dumps({"typ": "JWT", "alg": name}).encode())
        for kept in ("", signature):
            assert read_id_token_hint(oidc.core, f"{header}.{payload}.{kept}") is None


async def test_key_from_jwk_header_is_no_hint(oidc: OidcWorld) -> None:
    """A key that comes with the token proves nothing; nor does one that `jku` or `x5u` leads to."""
    _, token = await good(oidc)
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    assert read_id_token_hint(oidc.core, forged(token, key, "ES256", jwk=jwk)) is None
    assert read_id_token_hint(oidc.core, forged(token, key, "ES256", jku="https://attacker.example/jwks")) is None


async def test_unknown_crit_is_no_hint(oidc: OidcWorld) -> None:
    """A header that says more than ours is not ours, even where our key signed it."""
    _, token = await good(oidc)
    signer = await oidc.core.ring.signer()
    payload = token.split(".")[1]
    header = {"typ": "JWT", "alg": signer.alg, "kid": signer.kid, "crit": ["b64"], "b64": False}
    message = f"{base64url(json.dumps(header).encode())}.{payload}"
    signature = base64url(signer._algorithm.sign(message.encode(), signer._private))
    assert read_id_token_hint(oidc.core, f"{message}.{signature}") is None


async def test_oversized_hint_is_not_looked_into(oidc: OidcWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past 8,192 characters nothing is decoded or verified."""
    given, _ = await good(oidc)
    huge = (await oidc.core.ring.signer()).sign_as(
        "JWT",
        {
            "iss": oidc.core.issuer,
            "sub": given.giver.subject,
            "aud": given.client.client_id,
            "iat": int(time.time()),
            "sid": given.giver.session,
            "more": "x" * 8_192,
        },
    )
    assert read_id_token_hint(oidc.core, huge) is None
    monkeypatch.setattr("service.oidc.hint._MAX_LENGTH", 20_000)
    assert read_id_token_hint(oidc.core, huge) is not None


async def test_key_of_somebody_else_is_no_hint(oidc: OidcWorld) -> None:
    """Neither a foreign key under our `kid`, nor our public key taken for a secret."""
    _, token = await good(oidc)
    foreign = ec.generate_private_key(ec.SECP256R1())
    assert read_id_token_hint(oidc.core, forged(token, foreign, "ES256")) is None
    kid = jwt.get_unverified_header(token)["kid"]
    public = json.dumps(oidc.core.state.keys.keys[kid].jwk).encode()
    head, payload = base64url(json.dumps({"typ": "JWT", "alg": "HS256", "kid": kid}).encode()), token.split(".")[1]
    hmac = HMACAlgorithm(HMACAlgorithm.SHA256)
    signature = base64url(hmac.sign(f"{head}.{payload}".encode(), public))
    assert read_id_token_hint(oidc.core, f"{head}.{payload}.{signature}") is None


async def test_altered_or_foreign_text_is_no_hint(oidc: OidcWorld) -> None:
    """One character is enough, in each part; so is padding, or no JWT at all."""
    given, token = await good(oidc)
    header, payload, signature = token.split(".")
    other = base64url(json.dumps(jwt.decode(token, options={"verify_signature": False}) | {"sub": "eve"}).encode())
    for text in (
        f"{header}.{other}.{signature}",
        f"{header}.{payload}.{signature}=",
        f"{header}.{payload}",
        f".{payload}.{signature}",
        f"{header}.{payload}.{signature}.",
        f"{header}A.{payload}.{signature}",
        given.access_token,
        "",
        "..",
        "é.é.é",
    ):
        assert read_id_token_hint(oidc.core, text) is None, text


async def test_other_tokens_and_issuers_are_no_hints(oidc: OidcWorld) -> None:
    """An access token or logout token of ours has another type; another issuer's ID token is another's."""
    given, token = await good(oidc)
    claims = jwt.decode(token, options={"verify_signature": False})
    signer = await oidc.core.ring.signer()
    assert read_id_token_hint(oidc.core, signer.sign_as("JWT", claims)) is not None
    assert read_id_token_hint(oidc.core, signer.sign_as("logout+jwt", claims)) is None
    assert read_id_token_hint(oidc.core, signer.sign_as("at+jwt", claims)) is None
    assert read_id_token_hint(oidc.core, signer.sign_as("JWT", claims | {"iss": "https://other.example"})) is None
    assert read_id_token_hint(oidc.core, signer.sign_as("JWT", claims | {"aud": [given.client.client_id]})) is None


async def test_hint_of_a_client_replaced_in_the_same_second_is_none(oidc: OidcWorld) -> None:
    """What was told to the client of before is no hint at the new one."""
    given, token = await good(oidc)
    client_id = given.client.client_id
    again = ClientRegistered(client_id=client_id, auth_method="none")
    await oidc.append(client_stream(client_id), 1, ClientRemoved(client_id=client_id), again)
    assert read_id_token_hint(oidc.core, token) is None


async def test_hint_of_a_client_that_is_gone_is_none(oidc: OidcWorld) -> None:
    """Nor is it one of a later client of the same id."""
    given, _ = await good(oidc)
    client_id, old = given.client.client_id, await oidc.id_token(given, now=int(time.time()) - 60)
    assert read_id_token_hint(oidc.core, old) is not None
    await oidc.append(client_stream(client_id), 1, ClientRemoved(client_id=client_id))
    assert read_id_token_hint(oidc.core, old) is None
    await oidc.append(client_stream(client_id), 2, ClientRegistered(client_id=client_id, auth_method="none"))
    assert read_id_token_hint(oidc.core, old) is None

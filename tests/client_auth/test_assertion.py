from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import get_default_algorithms

from projections.access_model import Client
from schema.events import ClientSettings
from service.client_auth.assertion import ALGORITHMS, AssertionVerifier, claimed_issuer
from service.errors import InvalidClient
from service.tokens.digest import Digester
from tests.endpoints.world import assertion_claims, signed

ISSUER = "https://auth.example.com"
TOKEN_ENDPOINT = f"{ISSUER}/oauth2/token"


@cache
def private_key(algorithm: str) -> Any:
    """A private key; RS256 and PS256 share one."""
    match algorithm:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "ES384":
            return ec.generate_private_key(ec.SECP384R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return private_key("RS256") if algorithm == "PS256" else rsa.generate_private_key(65537, 2048)


def public_jwk(algorithm: str, **members: Any) -> dict[str, Any]:
    """The public half, as a client registers it."""
    converter: Any = get_default_algorithms()[algorithm]
    jwk: dict[str, Any] = converter.to_jwk(private_key(algorithm).public_key(), as_dict=True)
    return {name: value for name, value in jwk.items() if name != "key_ops"} | members


def client(*jwks: dict[str, Any]) -> Client:
    """A client with these keys."""
    return Client(settings=ClientSettings(client_id="app", auth_method="private_key_jwt", jwks=jwks))


@pytest.fixture
def verifier() -> AssertionVerifier:
    """A verifier of the default settings."""
    return AssertionVerifier(frozenset({ISSUER, TOKEN_ENDPOINT}), Digester(b"k" * 32), 300)


def reason_of(verifier: AssertionVerifier, party: Client | None, assertion: str) -> str:
    """Why an assertion is refused."""
    with pytest.raises(InvalidClient) as refused:
        verifier.verify(party, assertion, time.time())
    return refused.value.reason


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("stated", [True, False])
def test_each_algorithm_proves_its_client(verifier: AssertionVerifier, algorithm: str, stated: bool) -> None:
    """An assertion of each algorithm holds, whether or not the registered key states it."""
    members = {"alg": algorithm, "kid": "k1"} if stated else {}
    party = client(public_jwk(algorithm, **members))
    claims = assertion_claims("app")
    assertion = signed(claims, private_key(algorithm), algorithm, kid="k1")
    verified = verifier.verify(party, assertion, time.time())
    assert verified.client_id == "app"
    assert claims["exp"] <= verified.once.until.timestamp() <= claims["exp"] + 60


@pytest.mark.parametrize("stated", ALGORITHMS)
@pytest.mark.parametrize("used", ALGORITHMS)
def test_key_serves_no_algorithm_but_its_own(verifier: AssertionVerifier, stated: str, used: str) -> None:
    """A key that states an algorithm verifies no other one."""
    if stated != used:
        party = client(public_jwk(stated, alg=stated))
        assertion = signed(assertion_claims("app"), private_key(used), used)
        assert reason_of(verifier, party, assertion) == "bad_assertion_signature"


@pytest.mark.parametrize("audience", [ISSUER, TOKEN_ENDPOINT, [ISSUER], [TOKEN_ENDPOINT]])
def test_audience_may_be_issuer_or_token_endpoint(verifier: AssertionVerifier, audience: object) -> None:
    """The assertion is for this server (RFC 7523 section 3)."""
    party = client(public_jwk("ES256"))
    assertion = signed(assertion_claims("app", audience), private_key("ES256"))
    assert verifier.verify(party, assertion, time.time()).client_id == "app"


@pytest.mark.parametrize(
    "audience",
    [
        None,
        "",
        ISSUER + "/",
        f"{ISSUER}/oauth2/introspect",
        "https://other.example.com",
        [],
        [ISSUER, TOKEN_ENDPOINT],
        [ISSUER, "https://other.example.com"],
        [[ISSUER]],
        7,
        {ISSUER: 1},
    ],
)
def test_other_audience_is_refused(verifier: AssertionVerifier, audience: object) -> None:
    """An assertion that another server could be shown, or was meant for, is refused here."""
    party = client(public_jwk("ES256"))
    assertion = signed(assertion_claims("app", audience), private_key("ES256"))
    assert reason_of(verifier, party, assertion) == "assertion_audience"


NOW = int(time.time())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": None}, "assertion_issuer_or_subject"),
        ({"sub": None}, "assertion_issuer_or_subject"),
        ({"iss": "other"}, "assertion_issuer_or_subject"),
        ({"sub": "other"}, "assertion_issuer_or_subject"),
        ({"iss": ["app"], "sub": ["app"]}, "assertion_issuer_or_subject"),
        ({"exp": None}, "assertion_expired"),
        ({"exp": NOW - 60}, "assertion_expired"),
        ({"exp": 0}, "assertion_expired"),
        ({"exp": NOW + 3_600}, "assertion_lifetime"),
        ({"exp": 2**39}, "assertion_lifetime"),
        ({"exp": 2**70}, "assertion_time"),
        ({"exp": -1}, "assertion_time"),
        ({"exp": str(NOW + 60)}, "assertion_time"),
        ({"exp": True}, "assertion_time"),
        ({"exp": float("inf")}, "assertion_time"),
        ({"exp": float("nan")}, "assertion_time"),
        ({"exp": [NOW + 60]}, "assertion_time"),
        ({"nbf": NOW + 120}, "assertion_not_yet_valid"),
        ({"iat": NOW + 120}, "assertion_not_yet_valid"),
        ({"nbf": "now"}, "assertion_time"),
        ({"iat": {}}, "assertion_time"),
        ({"jti": None}, "assertion_jti"),
        ({"jti": ""}, "assertion_jti"),
        ({"jti": 7}, "assertion_jti"),
        ({"jti": "x" * 256}, "assertion_jti"),
    ],
)
def test_claims_must_hold(verifier: AssertionVerifier, changes: dict[str, object], reason: str) -> None:
    """Each claim of RFC 7523 section 3 is checked, with bounds and types."""
    party = client(public_jwk("ES256"))
    claims = assertion_claims("app", **current(changes))
    if changes.keys() & {"jti"}:
        claims = {**assertion_claims("app"), **changes}
        claims = {name: value for name, value in claims.items() if value is not None}
    message = encoded({"alg": "ES256"}) + b"." + encoded(claims)
    algorithm: Any = get_default_algorithms()["ES256"]
    signature = urlsafe_b64encode(algorithm.sign(message, private_key("ES256"))).rstrip(b"=")
    assert reason == reason_of(verifier, party, (message + b"." + signature).decode())


@pytest.mark.parametrize("changes", [{"nbf": NOW - 5}, {"iat": None}, {"exp": NOW + 290}, {"exp": NOW + 60.5}])
def test_claims_within_bounds_hold(verifier: AssertionVerifier, changes: dict[str, object]) -> None:
    """iat and nbf may be left out, and times may have fractions (RFC 7519 section 2)."""
    party = client(public_jwk("ES256"))
    assertion = signed(assertion_claims("app", **current(changes)), private_key("ES256"))
    assert verifier.verify(party, assertion, time.time()).client_id == "app"


def current(changes: dict[str, object]) -> dict[str, object]:
    """The same, with moments near NOW, which is when the tests were collected, moved to the present."""
    passed = int(time.time()) - NOW
    return {
        name: value + passed if isinstance(value, int | float) and value > NOW / 2 else value
        for name, value in changes.items()
    }


def encoded(value: object) -> bytes:
    """A segment."""
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def with_header(header: Mapping[str, Any]) -> str:
    """An assertion of good claims that is signed with the good key under any header."""
    message = encoded(header) + b"." + encoded(assertion_claims("app"))
    algorithm: Any = get_default_algorithms()["ES256"]
    return (message + b"." + urlsafe_b64encode(algorithm.sign(message, private_key("ES256"))).rstrip(b"=")).decode()


def hs256_with_public_key() -> str:
    """The classic confusion: the public key, which everyone has, used as an HMAC secret."""
    pem = private_key("ES256").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    message = encoded({"alg": "HS256"}) + b"." + encoded(assertion_claims("app"))
    return (message + b"." + urlsafe_b64encode(hmac.digest(pem, message, hashlib.sha256)).rstrip(b"=")).decode()


def own_jwk() -> str:
    """Signed with a stranger's key that is sent along."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    jwk: Any = get_default_algorithms()["ES256"]
    return signed(assertion_claims("app"), stranger, jwk=jwk.to_jwk(stranger.public_key(), as_dict=True))


NESTED = urlsafe_b64encode(b"[" * 5_000).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: with_header({"alg": "none"}).rpartition(".")[0] + ".", "assertion_algorithm"),
        (lambda: with_header({"alg": "None"}), "assertion_algorithm"),
        (lambda: with_header({}), "assertion_algorithm"),
        (lambda: with_header({"alg": ["ES256"]}), "assertion_algorithm"),
        (lambda: with_header({"alg": "ES512"}), "assertion_algorithm"),
        (hs256_with_public_key, "assertion_algorithm"),
        (own_jwk, "bad_assertion_signature"),
        (lambda: with_header({"alg": "ES256", "crit": ["exp"], "exp": 1}), "malformed_assertion"),
        (lambda: with_header({"alg": "ES256", "crit": []}), "malformed_assertion"),
        (lambda: with_header({"alg": "ES256", "crit": ["b64"], "b64": True}), "assertion_critical_header"),
        (lambda: with_header({"alg": "ES256", "kid": "other"}), "bad_assertion_signature"),
        (lambda: with_header({"alg": "ES256", "kid": 7}), "malformed_assertion"),
        (lambda: with_header({"alg": "RS256"}), "bad_assertion_signature"),
        (lambda: with_header({"alg": "ES256", "kid": "k1"}) + "!", "malformed_assertion"),
        (lambda: with_header({"alg": "ES256", "kid": "k1"})[:-4] + "AAAA", "bad_assertion_signature"),
        (lambda: "x" * 8_193, "assertion_too_large"),
        (lambda: "", "malformed_assertion"),
        (lambda: "a.b", "malformed_assertion"),
        (lambda: "\u00fc.\u00fc.\u00fc", "malformed_assertion"),
        (lambda: encoded([1]).decode() + ".e30.AA", "malformed_assertion"),
        (lambda: NESTED + ".e30.AA", "malformed_assertion"),
        (lambda: encoded({"alg": "ES256"}).decode() + f".{NESTED}.AA", "bad_assertion_signature"),
    ],
)
def test_header_leads_to_no_key_but_the_registered_one(
    verifier: AssertionVerifier, make: Callable[[], str], reason: str
) -> None:
    """Neither alg, jwk, kid nor crit lets an assertion choose how it is checked."""
    assert reason == reason_of(verifier, client(public_jwk("ES256", kid="k1")), make())


def test_large_assertion_is_refused_before_it_is_parsed(
    verifier: AssertionVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A JWS over the limit costs nothing."""
    monkeypatch.setattr(jwt, "get_unverified_header", pytest.fail)
    assert reason_of(verifier, None, "x" * 8_193) == "assertion_too_large"


def test_any_of_several_keys_proves_the_client(verifier: AssertionVerifier) -> None:
    """Keys can be rotated: each registered one is good, and a new registration takes effect at once."""
    old, new = public_jwk("ES256", kid="old"), public_jwk("EdDSA", kid="new")
    assertion = signed(assertion_claims("app"), private_key("EdDSA"), "EdDSA", kid="new")
    assert reason_of(verifier, client(old), assertion) == "bad_assertion_signature"
    assert verifier.verify(client(old, new), assertion, time.time()).client_id == "app"
    assert reason_of(verifier, client(old), assertion) == "bad_assertion_signature"


def test_single_use_key_is_of_the_client_and_its_jti(verifier: AssertionVerifier) -> None:
    """Two clients may use one jti; a jti is never kept in clear."""
    jwk = public_jwk("ES256")
    other = Client(settings=ClientSettings(client_id="other", auth_method="private_key_jwt", jwks=(jwk,)))
    keys = {
        verifier.verify(party, signed(assertion_claims(name, jti="one"), private_key("ES256")), time.time()).once.key
        for name, party in (("app", client(jwk)), ("other", other))
    }
    assert len(keys) == 2
    assert all(len(key) == 32 for key in keys)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_unknown_client_costs_the_same_verification(
    verifier: AssertionVerifier, algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown client, client without that key, wrong signature: one verification each, by the same algorithm."""
    calls: list[str] = []
    kind = type(get_default_algorithms()[algorithm])
    verify = kind.verify

    def counted(self: Any, *arguments: Any) -> bool:
        calls.append(algorithm)
        return bool(verify(self, *arguments))

    monkeypatch.setattr(kind, "verify", counted)
    good = signed(assertion_claims("app"), private_key(algorithm), algorithm, kid="k1")
    forged = good[:-8] + ("AAAAAAAA" if algorithm != "EdDSA" else "AAAAAAAA"[:4] + good[-4:])
    for party in (None, client(), client(public_jwk(algorithm, kid="k2")), client(public_jwk(algorithm, kid="k1"))):
        reason_of(verifier, party, forged)
        assert [algorithm] == calls
        calls.clear()


@given(st.text(max_size=200))
def test_any_text_claims_an_issuer_or_none(text: str) -> None:
    """What an assertion claims can be asked of any text."""
    assert claimed_issuer(text) is None


@given(
    st.dictionaries(
        st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "jti"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
            max_leaves=4,
        ),
    )
)
def test_any_claims_are_refused_as_invalid_client(claims: dict[str, Any]) -> None:
    """Claims of any JSON type never make the verifier fail."""
    verifier = AssertionVerifier(frozenset({ISSUER}), Digester(b"k" * 32), 300)
    message = encoded({"alg": "ES256"}) + b"." + encoded(claims)
    algorithm: Any = get_default_algorithms()["ES256"]
    signature = urlsafe_b64encode(algorithm.sign(message, private_key("ES256"))).rstrip(b"=")
    reason_of(verifier, client(public_jwk("ES256")), (message + b"." + signature).decode())

import hashlib
import hmac
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple, get_args

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from service.keys.material import KeyPair, generate
from service.settings import SigningAlgorithm
from service.tokens.jwt import Claims, NotOurToken, SigningKey, VerifyingKey, header_segment, read_claims

BASE64URL = string.ascii_letters + string.digits + "-_"
CLAIMS = Claims(
    iss="https://auth.example.com",
    sub="alpha",
    aud="https://api.example.com",
    exp=4_000_000_000,
    iat=1_767_225_600,
    jti="019b76da-a800-7000-8000-000000000001.1",
    client_id="alpha",
    scope="read:a write:a",
    grant_id="019b76da-a800-7000-8000-000000000001",
)


class Issuer(NamedTuple):
    """A key pair, its ring of verifiers and a token that it signed."""

    pair: KeyPair
    keys: dict[bytes, VerifyingKey]
    token: str


def issuer(algorithm: SigningAlgorithm) -> Issuer:
    """A key pair of an algorithm, and a token that it signed."""
    pair = generate(algorithm)
    keys = {header_segment(pair.kid, algorithm): VerifyingKey(algorithm, pair.jwk)}
    return Issuer(pair, keys, SigningKey(pair.kid, algorithm, pair.private).sign(CLAIMS))


ISSUERS = {algorithm: issuer(algorithm) for algorithm in get_args(SigningAlgorithm)}
each_algorithm = pytest.mark.parametrize("one", ISSUERS.values(), ids=ISSUERS)


def segment(value: object) -> str:
    """A value as a segment of a JWT."""
    return urlsafe_b64encode(msgspec.json.encode(value)).rstrip(b"=").decode()


def refused(token: str, keys: dict[bytes, VerifyingKey]) -> bool:
    """Whether a text is no token of these keys."""
    try:
        read_claims(token, keys)
    except NotOurToken:
        return True
    return False


@each_algorithm
def test_a_token_reads_as_it_was_signed(one: Issuer) -> None:
    """The claims of a token are those that were signed."""
    assert read_claims(one.token, one.keys) == CLAIMS


@each_algorithm
def test_a_plain_library_verifies_with_the_published_jwk(one: Issuer) -> None:
    """A resource server needs nothing but the JWK: RFC 9068's header and claims come out of PyJWT."""
    decoded = jwt.decode_complete(
        one.token,
        jwt.PyJWK(one.pair.jwk).key,
        algorithms=[one.pair.jwk["alg"]],
        audience=CLAIMS.aud,
        issuer=CLAIMS.iss,
        options={"require": ["iss", "sub", "aud", "exp", "iat", "jti"]},
    )
    assert {"typ": "at+jwt", "alg": one.pair.jwk["alg"], "kid": one.pair.kid} == decoded["header"]
    assert msgspec.to_builtins(CLAIMS) == decoded["payload"]


@each_algorithm
def test_no_changed_character_passes(one: Issuer) -> None:
    """A token with any one character changed, at any place, is not ours."""
    for place in range(0, len(one.token), 7):
        other = "A" if one.token[place] != "A" else "B"
        assert refused(one.token[:place] + other + one.token[place + 1 :], one.keys)


@given(st.data())
def test_no_change_of_the_default_algorithms_token_passes(data: st.DataObject) -> None:
    """Changing, adding or taking away characters makes another token, which is not ours."""
    token, keys = ISSUERS["ES256"].token, ISSUERS["ES256"].keys
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, min(start + 3, len(token))))
    altered = token[:start] + data.draw(st.text(BASE64URL + ".=", max_size=3)) + token[end:]
    assert (altered != token) == refused(altered, keys)


@given(st.text())
def test_any_text_is_ours_or_refused(text: str) -> None:
    """Whatever a caller sends, reading raises nothing but NotOurToken."""
    keys = ISSUERS["ES256"].keys
    assert refused(text, keys)
    assert refused(f"{next(iter(keys)).decode()}.{text}", keys)
    assert refused(f"{next(iter(keys)).decode()}.{text}.{text}", keys)


@each_algorithm
def test_unpadded_bits_must_be_zero(one: Issuer) -> None:
    """Non-canonical base64url of the same bytes is another text, so not the token that was issued."""
    for index in (1, 2):
        parts = one.token.split(".")
        spare = -len(parts[index]) % 4
        if spare == 0:
            continue
        last = BASE64URL_ORDER.index(parts[index][-1])
        parts[index] = parts[index][:-1] + BASE64URL_ORDER[last ^ 1]
        same = ".".join(parts)
        assert decoded(parts[index]) == decoded(one.token.split(".")[index])
        assert refused(same, one.keys)


@each_algorithm
@pytest.mark.parametrize("ending", ["=", "==", "\n", " ", "."])
def test_padding_and_blanks_are_refused(one: Issuer, ending: str) -> None:
    """Padding, blanks or a further part make another text, not the token that was issued."""
    assert refused(one.token + ending, one.keys)


@each_algorithm
@pytest.mark.parametrize(
    "header",
    [
        {"typ": "at+jwt", "alg": "none"},
        {"alg": "none"},
        {"typ": "at+jwt", "alg": "None", "kid": "{kid}"},
        {"typ": "at+jwt", "alg": "none", "kid": "{kid}"},
    ],
)
def test_alg_none_is_refused(one: Issuer, header: dict[str, str]) -> None:
    """A token without a signature is nobody's."""
    named = {name: value.format(kid=one.pair.kid) for name, value in header.items()}
    payload = segment(CLAIMS)
    assert refused(f"{segment(named)}.{payload}.", one.keys)
    assert refused(f"{segment(named)}.{payload}", one.keys)
    assert refused(f"{header_segment(one.pair.kid, one.pair.jwk['alg']).decode()}.{payload}.", one.keys)


@each_algorithm
@pytest.mark.parametrize("encoding", [(Encoding.PEM), (Encoding.DER)])
def test_hmac_with_the_public_key_is_refused(one: Issuer, encoding: Encoding) -> None:
    """The public key is no shared secret, whichever header claims so."""
    secret = one.pair.private.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    own_header = header_segment(one.pair.kid, one.pair.jwk["alg"]).decode()
    for header in (segment({"typ": "at+jwt", "alg": "HS256", "kid": one.pair.kid}), own_header):
        message = f"{header}.{segment(CLAIMS)}"
        mac = hmac.digest(secret, message.encode(), hashlib.sha256)
        assert refused(f"{message}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}", one.keys)


@each_algorithm
def test_a_foreign_kid_is_refused(one: Issuer) -> None:
    """A token of a key that is not published leads to no key, also under the name of one that is."""
    algorithm = one.pair.jwk["alg"]
    other = generate(algorithm)  # type: ignore[arg-type]
    assert refused(SigningKey(other.kid, algorithm, other.private).sign(CLAIMS), one.keys)
    assert refused(SigningKey(one.pair.kid, algorithm, other.private).sign(CLAIMS), one.keys)
    assert refused(one.token, {})


@each_algorithm
@pytest.mark.parametrize(
    "more",
    [{"jwk": {"kty": "oct", "k": "c2VjcmV0"}}, {"jku": "https://evil.example.com"}, {"crit": ["exp"]}, {"b64": False}],
)
def test_any_other_header_is_refused(one: Issuer, more: dict[str, object]) -> None:
    """A header with more in it than ours has is not looked into, even with a good signature."""
    header = segment({"typ": "at+jwt", "alg": one.pair.jwk["alg"], "kid": one.pair.kid, **more})
    signer = SigningKey(one.pair.kid, one.pair.jwk["alg"], one.pair.private)
    signer._prefix = header.encode() + b"."
    assert refused(signer.sign(CLAIMS), one.keys)


@pytest.mark.parametrize("payload", [{}, {"iss": 1}, [], "text", {**msgspec.to_builtins(CLAIMS), "exp": "soon"}])
def test_signed_claims_of_another_shape_are_refused(payload: object) -> None:
    """A good signature over something that is no access token does not make it one."""
    one = ISSUERS["ES256"]
    signer = SigningKey(one.pair.kid, "ES256", one.pair.private)
    assert refused(signer.sign(payload), one.keys)  # type: ignore[arg-type]


def test_a_signature_is_that_of_one_token_only() -> None:
    """Parts of two good tokens do not make a third."""
    one = ISSUERS["EdDSA"]
    other = SigningKey(one.pair.kid, "EdDSA", one.pair.private).sign(msgspec.structs.replace(CLAIMS, sub="beta"))
    (header, _, signature), (_, payload, _) = one.token.split("."), other.split(".")
    assert refused(f"{header}.{payload}.{signature}", one.keys)


BASE64URL_ORDER = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def decoded(text: str) -> bytes:
    """The bytes of a segment, whatever its spare bits are."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))

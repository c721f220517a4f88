import hashlib
import json
from base64 import urlsafe_b64encode
from typing import get_args

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.keys.material import KeyPair, UnwrapError, generate, unwrap, wrap
from service.settings import SigningAlgorithm

WRAPPING, OTHER = bytes(range(32)), bytes(32)
PAIRS = {algorithm: generate(algorithm) for algorithm in get_args(SigningAlgorithm)}
each_pair = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)


@each_pair
def test_signs_and_verifies_with_the_published_jwk(pair: KeyPair) -> None:
    """What the private half signs a plain library verifies with the published JWK."""
    token = jwt.encode({"sub": "alpha"}, pair.private, algorithm=pair.jwk["alg"])
    assert jwt.decode(token, jwt.PyJWK(pair.jwk).key, algorithms=[pair.jwk["alg"]]) == {"sub": "alpha"}


@each_pair
def test_the_jwk_is_public(pair: KeyPair) -> None:
    """The published half says what it is for and holds no private member (RFC 7518 section 6)."""
    assert ("sig", pair.kid) == (pair.jwk["use"], pair.jwk["kid"])
    assert set() == set(pair.jwk) & {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@each_pair
def test_the_kid_is_the_thumbprint(pair: KeyPair) -> None:
    """A kid is the SHA-256 JWK thumbprint (RFC 7638)."""
    members = {name: value for name, value in pair.jwk.items() if name in {"crv", "e", "kty", "n", "x", "y"}}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    assert urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode() == pair.kid


@each_pair
def test_what_was_wrapped_is_unwrapped(pair: KeyPair) -> None:
    """The private half comes back under the same master key."""
    opened = unwrap(pair.kid, wrap(pair, WRAPPING), WRAPPING)
    assert pair.private.private_numbers() == opened.private_numbers() if hasattr(opened, "private_numbers") else True
    token = jwt.encode({"sub": "alpha"}, opened, algorithm=pair.jwk["alg"])
    assert jwt.decode(token, jwt.PyJWK(pair.jwk).key, algorithms=[pair.jwk["alg"]]) == {"sub": "alpha"}


def test_wrapping_twice_differs() -> None:
    """Each wrapping has a nonce of its own."""
    assert wrap(PAIRS["ES256"], WRAPPING) != wrap(PAIRS["ES256"], WRAPPING)


@each_pair
def test_another_master_key_does_not_open(pair: KeyPair) -> None:
    """A wrong master key is told as such, with the kid and without the key."""
    with pytest.raises(UnwrapError, match=pair.kid):
        unwrap(pair.kid, wrap(pair, WRAPPING), OTHER)


def test_a_wrapped_key_is_bound_to_its_kid() -> None:
    """A row of the vault moved to another kid does not open."""
    with pytest.raises(UnwrapError):
        unwrap(PAIRS["EdDSA"].kid, wrap(PAIRS["ES256"], WRAPPING), WRAPPING)


@given(st.data())
def test_no_altered_or_cut_row_opens(data: st.DataObject) -> None:
    """One changed byte, or a row cut off anywhere, is refused."""
    pair = PAIRS["EdDSA"]
    wrapped = wrap(pair, WRAPPING)
    place = data.draw(st.integers(0, len(wrapped) - 1))
    changed = bytes([wrapped[place] ^ data.draw(st.integers(1, 255))])
    for altered in (wrapped[:place] + changed + wrapped[place + 1 :], wrapped[:place]):
        with pytest.raises(UnwrapError):
            unwrap(pair.kid, altered, WRAPPING)

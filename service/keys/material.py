"""Key material: make a key pair, and wrap its private half, as PKCS #8 DER, under the master key."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from typing import Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from jwt.algorithms import Algorithm, get_default_algorithms

from service.keys.wrapping import NotWrapped, unwrap_secret, wrap_secret
from service.settings import SigningAlgorithm

_RSA_BITS = 2048
_THUMBPRINT_MEMBERS = ("crv", "e", "kty", "n", "x", "y")
_ALGORITHMS: dict[str, Algorithm] = get_default_algorithms()


class UnwrapError(Exception):
    """A wrapped key does not open under this master key."""


class KeyPair(NamedTuple):
    """A private key object, and its public half as a JWK with `alg`, `use` and `kid`."""

    kid: str
    private: Any
    jwk: dict[str, str]


def generate(algorithm: SigningAlgorithm) -> KeyPair:
    """A new key pair. Its kid is its JWK thumbprint (RFC 7638)."""
    private = _private(algorithm)
    public = _ALGORITHMS[algorithm].to_jwk(private.public_key(), as_dict=True)
    members = {name: str(public[name]) for name in _THUMBPRINT_MEMBERS if name in public}
    thumbprint = hashlib.sha256(msgspec.json.encode(members, order="sorted")).digest()
    kid = urlsafe_b64encode(thumbprint).rstrip(b"=").decode("ascii")
    return KeyPair(kid, private, {**members, "alg": algorithm, "use": "sig", "kid": kid})


def wrap(pair: KeyPair, wrapping_key: bytes) -> bytes:
    """The private half, encrypted."""
    der = pair.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return wrap_secret(der, pair.kid, wrapping_key)


def unwrap(kid: str, wrapped: bytes, wrapping_key: bytes) -> Any:
    """The private key object. Raises UnwrapError."""
    try:
        der = unwrap_secret(wrapped, kid, wrapping_key)
    except NotWrapped:
        raise UnwrapError(f"signing key {kid} does not open: the master key is not the one it was made under") from None
    return load_der_private_key(der, password=None)


def _private(algorithm: SigningAlgorithm) -> Any:
    match algorithm:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case "RS256" | "PS256":
            return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)

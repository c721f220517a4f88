"""JWT access tokens (RFC 9068): made and read with key objects that are parsed once.

The header of a token is one of the few that this server makes, byte for byte; any other (`alg: none`, a foreign
`jwk`, `crit`) is not looked into, for it leads to no key.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import Algorithm, ECAlgorithm, get_default_algorithms

ACCESS_TOKEN_TYP = "at+jwt"
ID_TOKEN_TYP = "JWT"
LOGOUT_TOKEN_TYP = "logout+jwt"

_encode = msgspec.json.Encoder().encode
_ES256 = ECDSA(SHA256())
_HALF = 32


class ReadyEs256(ECAlgorithm):
    """ES256 (RFC 7518 section 3.4) with what is the same each time made once: half of the library's time for one."""

    def __init__(self) -> None:
        super().__init__(ECAlgorithm.SHA256)

    def sign(self, msg: bytes, key: Any) -> bytes:
        """The signature, 64 octets."""
        r, s = decode_dss_signature(key.sign(msg, _ES256))
        return r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")

    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool:
        """Whether the signature is that of the message, by a public key."""
        if len(sig) != 2 * _HALF:
            return False
        try:
            key.verify(
                encode_dss_signature(int.from_bytes(sig[:_HALF], "big"), int.from_bytes(sig[_HALF:], "big")),
                msg,
                _ES256,
            )
        except InvalidSignature:
            return False
        return True


_ALGORITHMS: dict[str, Algorithm] = get_default_algorithms() | {"ES256": ReadyEs256()}

T = TypeVar("T")


class Claims(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The claims of an access token (RFC 9068 section 2.2). Times are in seconds; `jti` is `<grant id>.<number>`."""

    iss: str
    sub: str
    aud: str
    exp: int
    iat: int
    jti: str
    client_id: str
    scope: str
    grant_id: str


class PersonClaims(Claims, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The same of a token that a person gave: how they signed in, their roles (RFC 9068 sections 2.2.1, 2.2.3.1)."""

    auth_time: int
    acr: str
    roles: tuple[str, ...] = ()


_claims = msgspec.json.Decoder(Claims)


class NotOurToken(Exception):
    """Not a JWT that this server signed with a key it still knows."""


class SigningKey:
    """A private key with all that signing needs, ready. `private` is a key object of `cryptography`."""

    def __init__(self, kid: str, alg: str, private: Any) -> None:
        self.kid = kid
        self.alg = alg
        self._private = private
        self._algorithm = _ALGORITHMS[alg]
        self._prefix = header_segment(kid, alg) + b"."

    def sign(self, claims: Claims) -> str:
        """The access token, in compact serialisation."""
        return self._signed(self._prefix, claims)

    def sign_as(self, typ: str, claims: Mapping[str, Any]) -> str:
        """A JWT of another type, such as an ID token; it never passes for an access token."""
        return self._signed(header_segment(self.kid, self.alg, typ) + b".", claims)

    def _signed(self, prefix: bytes, claims: Claims | Mapping[str, Any]) -> str:
        message = prefix + _base64url(_encode(claims))
        return (message + b"." + _base64url(self._algorithm.sign(message, self._private))).decode("ascii")


class VerifyingKey:
    """A public key, parsed once from its JWK."""

    def __init__(self, alg: str, jwk: dict[str, str]) -> None:
        self._algorithm = _ALGORITHMS[alg]
        self._public = self._algorithm.from_jwk(dict(jwk))

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature is that of the message."""
        return self._algorithm.verify(message, self._public, signature)


def header_segment(kid: str, alg: str, typ: str = ACCESS_TOKEN_TYP) -> bytes:
    """The encoded header of every token of a type that a key signs."""
    return _base64url(_encode({"typ": typ, "alg": alg, "kid": kid}))


def read_claims(token: str, keys: Mapping[bytes, VerifyingKey]) -> Claims:
    """The claims of an access token whose header segment is one of `keys` and whose signature holds. Time is not
    looked at.

    Raises NotOurToken.
    """
    return read_as(_claims, token, keys)


def read_as(decoder: msgspec.json.Decoder[T], token: str, keys: Mapping[bytes, VerifyingKey]) -> T:
    """The same of any JWT, decoded by `decoder`: which type it is, the header segments among `keys` say.

    Raises NotOurToken.
    """
    try:
        raw = token.encode("ascii")
        message, _, signature = raw.rpartition(b".")
        header, _, payload = message.partition(b".")
        key = keys.get(header)
        if key is None or not key.verify(message, _decode(signature)):
            raise NotOurToken
        return decoder.decode(_decode(payload))
    except (UnicodeEncodeError, Base64Error, ValueError, msgspec.DecodeError):
        raise NotOurToken from None


def _decode(segment: bytes) -> bytes:
    """Strict base64url without padding: one text for one value, so that an altered token never passes for another."""
    raw = urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    if _base64url(raw) != segment:
        raise NotOurToken
    return raw


def _base64url(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")

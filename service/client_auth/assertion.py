"""`private_key_jwt`: the proof is a JWT signed with one of the client's registered keys (RFC 7523 sections 2.2 and
3).
"""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import jwt

from projections.access_model import Client
from service.client_auth.decoys import DECOYS
from service.errors import InvalidClient
from service.journal.port import SingleUse
from service.tokens.digest import Digester

ALGORITHMS = ("ES256", "ES384", "EdDSA", "PS256", "RS256")

_MAX_LENGTH = 8_192
_MAX_JTI = 255
_LEEWAY = 10
_ALGORITHM_OF_CURVE = {"P-256": "ES256", "P-384": "ES384", "Ed25519": "EdDSA"}


class VerifiedAssertion(NamedTuple):
    """An assertion that holds; `once` is the single use of its `jti`."""

    client_id: str
    once: SingleUse


def claimed_issuer(assertion: str) -> str | None:
    """Who an assertion says it is from, before anything is verified; None where it cannot be read."""
    try:
        claims = jwt.decode(assertion[:_MAX_LENGTH], options={"verify_signature": False})
    except (jwt.PyJWTError, RecursionError):
        return None
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else None


class AssertionVerifier:
    """Verifies assertions addressed to this server: `audiences` are its issuer and its token endpoint.

    `max_lifetime` bounds how far ahead an assertion may expire, in seconds.
    """

    def __init__(self, audiences: frozenset[str], digester: Digester, max_lifetime: int) -> None:
        self._audiences = audiences
        self._digester = digester
        self._max_lifetime = max_lifetime
        self._keys: dict[str, tuple[object, list[jwt.PyJWK]]] = {}

    def verify(self, client: Client | None, assertion: str, now: float) -> VerifiedAssertion:
        """Check signature and claims. Raises InvalidClient; an unknown client's assertion is checked against a
        decoy.
        """
        if len(assertion) > _MAX_LENGTH:
            raise InvalidClient("assertion_too_large")
        header = _header(assertion)
        keys = [key for key in self._keys_of(client) if _fits(key, header)] if client else []
        payload = _verified(assertion, header["alg"], keys or [DECOYS[header["alg"]]])
        if client is None or payload is None or not keys:
            raise InvalidClient("unknown_client" if client is None else "bad_assertion_signature")
        return self._check(client.client_id, payload, now)

    def _check(self, client_id: str, claims: dict[str, Any], now: float) -> VerifiedAssertion:
        if claims.get("iss") != client_id or claims.get("sub") != client_id:
            raise InvalidClient("assertion_issuer_or_subject")
        if _single_audience(claims.get("aud")) not in self._audiences:
            raise InvalidClient("assertion_audience")
        expires = _time(claims, "exp")
        if expires is None or expires <= now - _LEEWAY:
            raise InvalidClient("assertion_expired")
        if expires > now + self._max_lifetime + _LEEWAY:
            raise InvalidClient("assertion_lifetime")
        for name in ("nbf", "iat"):
            begins = _time(claims, name)
            if begins is not None and begins > now + _LEEWAY:
                raise InvalidClient("assertion_not_yet_valid")
        identifier = claims.get("jti")
        if not isinstance(identifier, str) or not 0 < len(identifier) <= _MAX_JTI:
            raise InvalidClient("assertion_jti")
        key = self._digester.raw(f"jti\0{client_id}\0{identifier}")
        until = dt.datetime.fromtimestamp(expires + _LEEWAY, dt.UTC)
        return VerifiedAssertion(client_id, SingleUse(key, until))

    def _keys_of(self, client: Client) -> list[jwt.PyJWK]:
        """The client's parsed keys, kept for as long as its settings stay the same object."""
        kept = self._keys.get(client.client_id)
        if kept is None or kept[0] is not client.settings:
            kept = (client.settings, [jwt.PyJWK(jwk, _algorithm_of(jwk)) for jwk in client.settings.jwks])
            self._keys[client.client_id] = kept
        return kept[1]


def _header(assertion: str) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(assertion)
    except (jwt.PyJWTError, RecursionError):
        raise InvalidClient("malformed_assertion") from None
    if header.get("alg") not in ALGORITHMS:
        raise InvalidClient("assertion_algorithm")
    if "crit" in header:
        raise InvalidClient("assertion_critical_header")
    return header


def _algorithm_of(jwk: dict[str, Any]) -> str | None:
    """The algorithm a key is for: what it says, else what its curve implies; an RSA key may serve RS256 and PS256."""
    return jwk.get("alg") or _ALGORITHM_OF_CURVE.get(jwk.get("crv", ""))


def _fits(key: jwt.PyJWK, header: dict[str, Any]) -> bool:
    if key.key_type == "RSA" and "alg" not in key._jwk_data:  # noqa: SLF001 PyJWK has no accessor for a stated alg
        fitting = header["alg"] in {"RS256", "PS256"}
    else:
        fitting = key.algorithm_name == header["alg"]
    return fitting and ("kid" not in header or key.key_id is None or key.key_id == header["kid"])


def _verified(assertion: str, algorithm: str, keys: list[jwt.PyJWK]) -> dict[str, Any] | None:
    """The claims if one of the keys made the signature. Claims are checked by the caller, all of them."""
    for key in keys:
        try:
            claims: dict[str, Any] = jwt.decode(
                assertion,
                key.key,
                algorithms=[algorithm],
                options={
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                    "verify_sub": False,
                    "verify_jti": False,
                },
            )
        except (jwt.PyJWTError, TypeError, ValueError, RecursionError):
            continue
        return claims
    return None


def _single_audience(audience: object) -> str | None:
    """The one audience, as a string or an array of one: an assertion for several servers could be replayed at
    another.
    """
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    return audience if isinstance(audience, str) else None


def _time(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**40:
        raise InvalidClient("assertion_time", detail=name)
    return float(value)

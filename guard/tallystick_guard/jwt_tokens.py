"""JWT access tokens (RFC 9068 section 4): signature, type, issuer, audience, time."""

from __future__ import annotations

from typing import Any

import jwt

from tallystick_guard.access import Access
from tallystick_guard.errors import INVALID_TOKEN, Refused
from tallystick_guard.keys import IssuerKeys

ALGORITHMS = frozenset({"ES256", "EdDSA", "RS256", "PS256"})
"""Signatures by a private key alone: no `none`, and no HMAC that somebody could make with a public key."""

NOT_VALID = "The access token is not valid."
"""What the caller is told, whatever the reason (RFC 6750 section 3.1)."""

_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_REQUIRED = ["iss", "aud", "exp", "iat", "sub", "client_id", "jti"]
_REASONS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "token_expired"),
    (jwt.ImmatureSignatureError, "token_not_yet_valid"),
    (jwt.InvalidIssuerError, "token_of_other_issuer"),
    (jwt.InvalidAudienceError, "token_of_other_audience"),
    (jwt.InvalidSignatureError, "bad_token_signature"),
    (jwt.MissingRequiredClaimError, "missing_claim"),
)


async def verify(token: str, keys: IssuerKeys, issuer: str, audience: str, leeway: float) -> Access:
    """The rights that a token gives; `leeway` is in seconds, for clocks that differ.

    Raises Refused or Unavailable.
    """
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise bad_token("token_malformed") from None
    kid, alg = header.get("kid"), header.get("alg")
    if not isinstance(alg, str) or alg not in ALGORITHMS:
        raise bad_token("token_algorithm")
    if str(header.get("typ", "")).lower() not in _TYPES or "crit" in header or not isinstance(kid, str):
        raise bad_token("token_header")
    key = await keys.key(kid, alg)
    if key is None:
        raise bad_token("unknown_key")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[alg],
            audience=audience,
            issuer=issuer,
            leeway=leeway,
            options={"require": _REQUIRED},
        )
        access = Access.of_claims(claims)
    except jwt.PyJWTError as error:
        raise bad_token(next((reason for kind, reason in _REASONS if isinstance(error, kind)), "bad_claims")) from None
    except (KeyError, TypeError, ValueError, OverflowError):
        raise bad_token("bad_claims") from None
    check_bearer(claims)
    return access


def check_bearer(claims: dict[str, Any]) -> None:
    """Raise Refused for a token that is bound to a key (RFC 7800): who bears it has proven nothing."""
    if "cnf" in claims:
        raise bad_token("token_bound_to_key")


def bad_token(reason: str) -> Refused:
    """What to raise for a token that is not good: the caller is not told why (RFC 6750 section 3.1)."""
    return Refused(INVALID_TOKEN, reason, NOT_VALID)

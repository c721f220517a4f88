"""JWT access tokens (RFC 9068 section 4): signature, type, issuer, audience, time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jwt

from tallystick_guard.access import Access
from tallystick_guard.errors import INVALID_TOKEN, Refused
from tallystick_guard.keys import IssuerKeys

if TYPE_CHECKING:
    from jwt.types import Options

ALGORITHMS = frozenset({"ES256", "EdDSA", "RS256", "PS256"})
"""Signatures by a private key alone: no `none`, and no HMAC that somebody could make with a public key."""

NOT_VALID = "The access token is not valid."
"""What the caller is told, whatever the reason (RFC 6750 section 3.1)."""

_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_REQUIRED = ["iss", "aud", "exp", "iat", "sub", "client_id", "jti"]
_UNVERIFIED: Options = {
    "verify_signature": False,
    "verify_exp": True,
    "verify_nbf": True,
    "verify_iat": True,
    "verify_aud": True,
    "verify_iss": True,
    "require": _REQUIRED,
}
"""All of a JWT but its signature."""

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
        raise bad_token(_reason(error)) from None
    except (KeyError, TypeError, ValueError, OverflowError):
        raise bad_token("bad_claims") from None
    check_bearer(claims)
    return access


def check_unverified(token: str, issuer: str, audience: str, leeway: float) -> None:
    """Raise Refused for a JWT that says itself that it is not good: of another kind, issuer or audience, or expired.

    Its signature is not looked at: what is left must still be asked about, or verified.
    """
    try:
        header = jwt.get_unverified_header(token)
        if str(header.get("typ", "")).lower() not in _TYPES:
            raise bad_token("token_header")
        jwt.decode(
            token,
            audience=audience,
            issuer=issuer,
            leeway=leeway,
            options=_UNVERIFIED,
        )
    except jwt.PyJWTError as error:
        raise bad_token(_reason(error)) from None


def check_bearer(claims: dict[str, Any]) -> None:
    """Raise Refused for a token that is bound to a key (RFC 7800): who bears it has proven nothing."""
    if "cnf" in claims:
        raise bad_token("token_bound_to_key")


def _reason(error: jwt.PyJWTError) -> str:
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "bad_claims")


def bad_token(reason: str) -> Refused:
    """What to raise for a token that is not good: the caller is not told why (RFC 6750 section 3.1)."""
    return Refused(INVALID_TOKEN, reason, NOT_VALID)

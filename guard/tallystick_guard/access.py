"""What a request must bring (`Needs`), and what a good token grants (`Access`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Access:
    """A request's rights, by a token that was good a moment ago.

    `token_id` is the token's `jti`, `grant_id` what one authorization gave; times are in seconds since 1970. `claims`
    are those of the JWT, or what introspection answered.
    """

    subject: str
    client_id: str
    scopes: frozenset[str]
    roles: frozenset[str]
    issued_at: int
    expires_at: int
    token_id: str = ""
    grant_id: str = ""
    acr: str | None = None
    auth_time: int | None = None
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of_claims(cls, claims: Mapping[str, Any]) -> Access:
        """The rights that claims tell of. Raises KeyError, TypeError or ValueError where they are none."""
        auth_time, roles, acr = claims.get("auth_time"), claims.get("roles", ()), claims.get("acr")
        if not isinstance(roles, list | tuple):
            raise TypeError("roles is no list")
        return cls(
            subject=_text(claims["sub"]),
            client_id=_text(claims["client_id"]),
            scopes=frozenset(_text(claims.get("scope", "")).split()),
            roles=frozenset(_text(role) for role in roles),
            issued_at=_seconds(claims["iat"]),
            expires_at=_seconds(claims["exp"]),
            token_id=_text(claims.get("jti", "")),
            grant_id=_text(claims.get("grant_id", "")),
            acr=None if acr is None else _text(acr),
            auth_time=None if auth_time is None else _seconds(auth_time),
            claims=claims,
        )


@dataclass(frozen=True, slots=True)
class Needs:
    """What a route asks for besides a good token: every one of `scopes`, every one of `roles`, one of `acr`, and a
    sign-in at most `max_age` seconds ago.
    """

    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    acr: tuple[str, ...] = ()
    max_age: int | None = None

    @classmethod
    def of(cls, *scopes: str, roles: Iterable[str] = (), acr: Iterable[str] = (), max_age: int | None = None) -> Needs:
        """`Needs.of("read:users", roles=["clerk"])`; scopes may be given in one text, with spaces between."""
        return cls(frozenset(" ".join(scopes).split()), frozenset(roles), tuple(acr), max_age)


NOTHING_MORE = Needs()
"""A good token is enough."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a claim is no text")
    return value


def _seconds(value: object) -> int:
    """A NumericDate (RFC 7519 section 2), which a number written as a text is not."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError("a time is no number")
    return int(value)

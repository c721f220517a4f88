"""Who asks, in the headers that a gateway hands on to its API."""

from __future__ import annotations

from functools import lru_cache

from projections.grants import Token
from service.http.head import Header
from service.tokens.find import FoundToken

_KEPT = 16_384


def identity_headers(found: FoundToken, token: Token, roles: frozenset[str]) -> tuple[Header, ...]:
    """Always all of them, empty ones too, so that a gateway that copies them leaves none from outside."""
    person = found.grant.person
    acr = person.acr if person else ""
    return _headers(found.token_id, token.subject, token.client_id, token.scope, roles, acr)


@lru_cache(maxsize=_KEPT)
def _headers(
    token_id: str, subject: str, client_id: str, scope: str, roles: frozenset[str], acr: str
) -> tuple[Header, ...]:
    return (
        (b"x-auth-subject", subject.encode("ascii")),
        (b"x-auth-client", client_id.encode("ascii")),
        (b"x-auth-scope", scope.encode("ascii")),
        (b"x-auth-roles", " ".join(sorted(roles)).encode("ascii", "replace")),
        (b"x-auth-token-id", token_id.encode("ascii")),
        (b"x-auth-acr", acr.encode("ascii")),
    )

"""May this caller learn of this token, and is it active (RFC 7662 section 2.2)."""

from __future__ import annotations

from projections.access_model import AccessModel, Client
from projections.grants import Grant, Token
from service.errors import TokenNotActive, UnauthorizedClient


def check_introspector(caller: Client) -> None:
    """Raise UnauthorizedClient unless the caller introspects some resource."""
    if not caller.settings.introspects:
        raise UnauthorizedClient("not_an_introspector", "The client may not introspect tokens.")


def decide_active(access: AccessModel, caller: Client, grant: Grant, number: int, token_id: str, now: float) -> Token:
    """The token, if it is active for the caller. Raises TokenNotActive with the reason that only the audit learns."""
    token = grant.tokens.get(number)
    if token is None:
        raise _inactive("token_unknown", token_id)
    if token.audience not in caller.settings.introspects:
        raise _inactive("token_of_other_audience", token_id)
    if grant.revoked or token.revoked:
        raise _inactive("token_revoked", token_id)
    if token.expires_at <= now:
        raise _inactive("token_expired", token_id)
    owner = access.clients.get(token.client_id)
    if owner is None or not owner.enabled or token.issued_at < owner.since:
        raise _inactive("client_disabled", token_id)
    return token


def _inactive(reason: str, token_id: str) -> TokenNotActive:
    return TokenNotActive(reason, "The token is not active.", token_id=token_id)

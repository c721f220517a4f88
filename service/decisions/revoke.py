"""What a revocation request changes (RFC 7009 section 2.1)."""

from __future__ import annotations

from projections.access_model import Client
from projections.grants import Grant
from schema.events import TokenRevoked
from service.errors import InvalidGrant, TokenNotActive


def decide_revocation(caller: Client, grant: Grant, number: int, token_id: str, now: float) -> TokenRevoked:
    """The event that ends a token of the caller.

    Raises InvalidGrant for another's token, TokenNotActive where there is nothing left to revoke.
    """
    token = grant.tokens.get(number)
    if token is None:
        raise TokenNotActive("token_unknown", "There is no such token.", token_id=token_id)
    if token.client_id != caller.client_id:
        raise InvalidGrant("token_of_other_client", "The token was not issued to this client.", token_id=token_id)
    if grant.revoked or token.revoked:
        raise TokenNotActive("token_revoked", "The token was revoked before.", token_id=token_id)
    if token.expires_at <= now:
        raise TokenNotActive("token_expired", "The token has expired.", token_id=token_id)
    return TokenRevoked(number=number, client_id=caller.client_id, reason="client_request")

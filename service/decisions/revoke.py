"""What a revocation request changes (RFC 7009 section 2.1)."""

from __future__ import annotations

from uuid import UUID

from projections.access_model import Client
from projections.grants import Grant
from schema.events import TokenRevoked
from service.decisions.given import handle_id
from service.errors import InvalidGrant, TokenNotActive

_OF_OTHER = "The token was not issued to this client."


def decide_revocation(caller: Client, grant: Grant, number: int, token_id: str, now: float) -> TokenRevoked:
    """The event that ends an access token of the caller.

    Raises InvalidGrant for another's token, TokenNotActive where there is nothing left to revoke.
    """
    token = grant.tokens.get(number)
    if token is None:
        reason = "token_expired" if 0 < number <= grant.last_number else "token_unknown"
        raise TokenNotActive(reason, "There is no such token.", token_id=token_id)
    if token.client_id != caller.client_id:
        raise InvalidGrant("token_of_other_client", _OF_OTHER, token_id=token_id)
    if grant.revoked or token.revoked:
        raise TokenNotActive("token_revoked", "The token was revoked before.", token_id=token_id)
    if token.expires_at <= now:
        raise TokenNotActive("token_expired", "The token has expired.", token_id=token_id)
    return TokenRevoked(number=number, client_id=caller.client_id, reason="client_request")


def check_grant_revocation(caller: Client, grant_id: UUID, grant: Grant) -> None:
    """Whether a genuine refresh token of the caller, an old one too, ends its grant.

    Raises as above. An expired one does as well: access tokens of its grant may be alive.
    """
    if grant.person is None or grant.person.client_id != caller.client_id:
        raise InvalidGrant("token_of_other_client", _OF_OTHER, token_id=handle_id(grant_id))
    if grant.revoked:
        raise revoked_before(grant_id)


def revoked_before(grant_id: UUID) -> TokenNotActive:
    """The refusal of a refresh token whose grant was revoked."""
    return TokenNotActive("token_revoked", "The token was revoked before.", token_id=handle_id(grant_id))

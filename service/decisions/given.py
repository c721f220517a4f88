"""Does a grant that a person gave still stand: client, account, session and consent, as of now."""

from __future__ import annotations

from uuid import UUID

from projections.access_model import Client
from projections.accounts import Account
from projections.grants import Grant, Person
from projections.state import WorkerState
from service.errors import InvalidGrant, UnauthorizedClient
from service.oidc.scopes import OFFLINE_ACCESS
from service.settings import SessionEndRevokes

REFUSED = "The code or token is not valid."
"""All that a caller learns of a code or refresh token that is refused, whatever the reason."""


def check_grant_type(client: Client, grant_type: str) -> None:
    """Raise UnauthorizedClient unless the client may use a grant type."""
    if grant_type not in client.settings.grants:
        raise UnauthorizedClient("grant_not_allowed", "The client may not use this grant type.", detail=grant_type)


def handle_id(grant_id: UUID) -> str:
    """How the audit names a grant's code or refresh token: as its token number 0, for its text is nobody's to read."""
    return f"{grant_id}.0"


def hangs_on_session(person: Person, revokes: SessionEndRevokes) -> bool:
    """Whether a grant ends with the session that it was given in."""
    match revokes:
        case "all":
            return True
        case "none":
            return False
        case "online":
            return OFFLINE_ACCESS not in person.scope.split(" ")


def decide_giver(
    state: WorkerState,
    client: Client,
    grant_id: UUID,
    grant: Grant,
    person: Person,
    *,
    session_end_revokes: SessionEndRevokes,
) -> Account:
    """The account of the person, if the grant that they gave this client still stands.

    What an earlier client of the same id was given is not this one's. Where the person's sessions were ended since, by
    another password say, what nobody has redeemed yet is over as well. Raises InvalidGrant with the reason that only
    the audit learns.
    """
    account = state.accounts.by_subject.get(person.subject)
    if grant.revoked:
        raise _refused("grant_revoked", grant_id)
    if grant.position < client.since:
        raise _refused("client_replaced", grant_id)
    if account is None or not account.enabled:
        raise _refused("account_disabled", grant_id)
    if grant.position <= account.grants_after:
        raise _refused("account_signed_out", grant_id)
    redeemed = grant.last_number > 0
    if person.position < account.sessions_after and not (
        redeemed and not hangs_on_session(person, session_end_revokes)
    ):
        raise _refused("account_sessions_ended", grant_id)
    if not client.settings.first_party and not state.consents.scopes(person.subject, client.client_id):
        raise _refused("consent_withdrawn", grant_id)
    return account


def _refused(reason: str, grant_id: UUID) -> InvalidGrant:
    return InvalidGrant(reason, REFUSED, token_id=handle_id(grant_id))

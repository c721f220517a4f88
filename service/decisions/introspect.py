"""May this caller learn of this token, and is it active (RFC 7662 section 2.2)."""

from __future__ import annotations

from projections.access_model import AccessModel, Client
from projections.accounts import Accounts
from projections.grants import Grant, Person, Token
from service.decisions.given import hangs_on_session
from service.errors import TokenNotActive, UnauthorizedClient
from service.settings import SessionEndRevokes


def check_introspector(caller: Client) -> None:
    """Raise UnauthorizedClient unless the caller introspects some resource."""
    if not caller.settings.introspects:
        raise UnauthorizedClient("not_an_introspector", "The client may not introspect tokens.")


def decide_active(
    access: AccessModel,
    accounts: Accounts,
    caller: Client,
    grant: Grant,
    number: int,
    token_id: str,
    now: float,
    *,
    issuer: str,
    session_end_revokes: SessionEndRevokes,
) -> Token:
    """The token, if it is active for the caller. Raises TokenNotActive with the reason that only the audit learns.

    A token for this server itself, for userinfo alone, is nobody's to introspect.
    """
    token = grant.tokens.get(number)
    if token is None:
        raise _inactive("token_expired" if 0 < number <= grant.last_number else "token_unknown", token_id)
    if token.audience == issuer or token.audience not in caller.settings.introspects:
        raise _inactive("token_of_other_audience", token_id)
    check_alive(access, accounts, grant, token, token_id, now, session_end_revokes=session_end_revokes)
    return token


def check_alive(
    access: AccessModel,
    accounts: Accounts,
    grant: Grant,
    token: Token,
    token_id: str,
    now: float,
    *,
    session_end_revokes: SessionEndRevokes,
) -> None:
    """Raise TokenNotActive unless token, client, account and session are all good now."""
    if grant.revoked or token.revoked:
        raise _inactive("token_revoked", token_id)
    if token.expires_at <= now:
        raise _inactive("token_expired", token_id)
    owner = access.clients.get(token.client_id)
    if owner is None or not owner.enabled or grant.position < owner.since:
        raise _inactive("client_disabled", token_id)
    if grant.person is not None:
        _check_giver(accounts, grant, grant.person, token_id, session_end_revokes)


def _check_giver(
    accounts: Accounts, grant: Grant, person: Person, token_id: str, session_end_revokes: SessionEndRevokes
) -> None:
    account = accounts.by_subject.get(person.subject)
    if account is None or not account.enabled:
        raise _inactive("account_disabled", token_id)
    if grant.position <= account.grants_after:
        raise _inactive("account_signed_out", token_id)
    if person.position < account.sessions_after and hangs_on_session(person, session_end_revokes):
        raise _inactive("account_sessions_ended", token_id)


def _inactive(reason: str, token_id: str) -> TokenNotActive:
    return TokenNotActive(reason, "The token is not active.", token_id=token_id)

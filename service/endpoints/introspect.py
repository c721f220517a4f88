"""`POST /oauth2/introspect` (RFC 7662): of access tokens. A refresh token is between its client and this server."""

from __future__ import annotations

import time

import msgspec
from msgspec import UNSET, UnsetType

from projections.access_model import Client
from projections.accounts import Accounts
from projections.grants import Token
from service.decisions.introspect import check_introspector, decide_active
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange
from service.errors import TokenNotActive
from service.http.request import required
from service.http.response import Response, answer
from service.tokens.find import FoundToken
from service.tokens.handles import REFRESH_TOKEN
from service.usage.observing import told


class ActiveToken(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for an active token (RFC 7662 section 2.2).

    The last three are those of one that a person gave: how they signed in (RFC 9470 section 6.2), and the roles that
    they have now.
    """

    active: bool = True
    scope: str
    client_id: str
    token_type: str = "Bearer"
    exp: int
    iat: int
    sub: str
    aud: str
    iss: str
    jti: str
    grant_id: str
    auth_time: int | UnsetType = UNSET
    acr: str | UnsetType = UNSET
    roles: tuple[str, ...] | UnsetType = UNSET


class InactiveToken(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for every other token: it never tells why."""

    active: bool = False


_INACTIVE = answer(InactiveToken())


async def introspect(exchange: Exchange) -> Response:
    """Parse, authenticate the caller, find the token, decide; a token that is not active is journalled."""
    core = exchange.core
    form = await exchange.form()
    caller = exchange.authenticate(form).client
    check_introspector(caller)
    text, told_by = required(form, "token"), told(form)
    await exchange.use_assertion()
    try:
        token, found = await _decide(core, caller, text)
    except TokenNotActive as inactive:
        await exchange.reject(inactive)
        core.metrics.introspected(caller.client_id, active=False)
        return _INACTIVE
    core.metrics.introspected(caller.client_id, active=True)
    core.introspections.count(token, caller.client_id, time.time())
    if told_by is not None:
        core.observer.observe(found, token, caller.client_id, told_by, exchange.context)
    return answer(_active(token, found, core.issuer, core.state.accounts))


async def _decide(core: Core, caller: Client, text: str) -> tuple[Token, FoundToken]:
    if text.startswith(REFRESH_TOKEN):
        raise TokenNotActive("refresh_token_presented", "Not an access token.", token_digest=core.digester.digest(text))
    found = await core.tokens.find(text)
    while not core.follower.fresh:
        # What was found may have left the cache while the worker caught up, and a revocation with it.
        await core.follower.ensure_fresh()
        found = await core.tokens.find(text)
    token = decide_active(
        core.state.access,
        core.state.accounts,
        caller,
        found.grant,
        found.number,
        found.token_id,
        time.time(),
        issuer=core.issuer,
        session_end_revokes=core.settings.session_end_revokes,
    )
    return token, found


def _active(token: Token, found: FoundToken, issuer: str, accounts: Accounts) -> ActiveToken:
    person = found.grant.person
    account = accounts.by_subject.get(person.subject) if person else None
    return ActiveToken(
        scope=token.scope,
        client_id=token.client_id,
        exp=token.expires_at,
        iat=token.issued_at,
        sub=token.subject,
        aud=token.audience,
        iss=issuer,
        jti=found.token_id,
        grant_id=found.token_id.partition(".")[0],
        auth_time=person.auth_time if person else UNSET,
        acr=person.acr if person else UNSET,
        roles=tuple(sorted(account.roles)) if account and account.roles else UNSET,
    )

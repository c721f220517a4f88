"""`POST /oauth2/introspect` (RFC 7662)."""

from __future__ import annotations

import time

import msgspec

from projections.grants import Token
from service.decisions.introspect import check_introspector, decide_active
from service.endpoints.exchange import Exchange
from service.errors import TokenNotActive
from service.http.request import required
from service.http.response import Response, answer
from service.tokens.find import FoundToken


class ActiveToken(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for an active token (RFC 7662 section 2.2)."""

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
    text = required(form, "token")
    await exchange.use_assertion()
    try:
        found = await core.tokens.find(text)
        while not core.follower.fresh:
            # What was found may have left the cache while the worker caught up, and a revocation with it.
            await core.follower.ensure_fresh()
            found = await core.tokens.find(text)
        token = decide_active(
            core.state.access, core.state.accounts, caller, found.grant, found.number, found.token_id, time.time()
        )
    except TokenNotActive as inactive:
        await exchange.reject(inactive)
        core.metrics.introspected(caller.client_id, active=False)
        return _INACTIVE
    core.metrics.introspected(caller.client_id, active=True)
    return answer(_active(token, found, core.issuer))


def _active(token: Token, found: FoundToken, issuer: str) -> ActiveToken:
    return ActiveToken(
        scope=token.scope,
        client_id=token.client_id,
        exp=token.expires_at,
        iat=token.issued_at,
        sub=token.subject,
        aud=token.audience,
        iss=issuer,
        jti=found.token_id,
        grant_id=str(found.grant_id),
    )

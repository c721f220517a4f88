"""`POST /oauth2/revoke` (RFC 7009). Once answered, no worker says that the token is active (promise 4).

An access token is revoked alone, a refresh token with its whole grant (section 2.1). Codes and device codes are not
tokens: they are unknown here.
"""

from __future__ import annotations

import time

from projections.access_model import Client
from projections.grants import Grant
from service.decisions.revoke import check_grant_revocation, decide_revocation, revoked_before
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange
from service.errors import TokenNotActive
from service.grants.change import change_grant
from service.grants.find_refresh import FoundRefreshToken, find_refresh_token
from service.grants.revoke import revoke_grant
from service.http.request import required
from service.http.response import Response
from service.tokens.handles import REFRESH_TOKEN, MalformedHandle

_DONE = Response(200, b"{}")
_REASON = "client_request"
_NO_TOKEN = "There is no such token."


async def revoke(exchange: Exchange) -> Response:
    """Parse, authenticate, find, decide, commit, wait until every worker knows.

    A token that is unknown, expired or revoked already is answered 200 as well (RFC 7009 section 2.2), and journalled.
    `token_type_hint` is not needed: a token says itself what it is.
    """
    form = await exchange.form()
    caller = exchange.authenticate(form).client
    text = required(form, "token")
    end = _end_grant if text.startswith(REFRESH_TOKEN) else _end_token
    try:
        last = await end(exchange, caller, text)
    except TokenNotActive as nothing_to_do:
        # It may have been revoked a moment ago by another request that is still waiting for the other workers.
        appended = await exchange.reject(nothing_to_do)
        last = await exchange.core.journal.head() if appended is None else appended.last
    else:
        exchange.core.metrics.revoked(caller.client_id)
    await exchange.core.follower.settled(last)
    return _DONE


async def _end_grant(exchange: Exchange, caller: Client, text: str) -> int:
    core = exchange.core
    found = await _find_refresh_token(core, text)
    check_grant_revocation(caller, found.grant_id, found.grant)
    await exchange.use_assertion()
    async with core.grants.turn(found.grant_id):
        last = await revoke_grant(core, exchange.context, found.grant_id, _REASON)
    if last is None:
        raise revoked_before(found.grant_id)
    return last


async def _find_refresh_token(core: Core, text: str) -> FoundRefreshToken:
    digest = core.digester.digest(text)
    try:
        found = await find_refresh_token(core, text, digest)
    except MalformedHandle:
        raise TokenNotActive("token_malformed", _NO_TOKEN, token_digest=digest) from None
    if found is None:
        raise TokenNotActive("token_unknown", _NO_TOKEN, token_digest=digest)
    return found


async def _end_token(exchange: Exchange, caller: Client, text: str) -> int:
    found = await exchange.core.tokens.find(text)

    async def attempt(grant: Grant) -> int:
        event = decide_revocation(caller, grant, found.number, found.token_id, time.time())
        return (await exchange.append(found.grant_id, grant.version, event)).last

    return await change_grant(exchange.core, found.grant_id, attempt)

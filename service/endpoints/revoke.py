"""`POST /oauth2/revoke` (RFC 7009). Once answered, no worker says that the token is active (promise 4)."""

from __future__ import annotations

import time

from projections.access_model import Client
from projections.grants import fold_grant
from service.decisions.revoke import decide_revocation
from service.endpoints.exchange import Exchange
from service.errors import TokenNotActive
from service.http.request import required
from service.http.response import Response
from service.journal.port import VersionConflict
from service.tokens.find import FoundToken

_DONE = Response(200, b"{}")


async def revoke(exchange: Exchange) -> Response:
    """Parse, authenticate, find, decide, commit, wait until every worker knows.

    A token that is unknown, expired or revoked already is answered 200 as well (RFC 7009 section 2.2), and journalled.
    """
    form = await exchange.form()
    caller = exchange.authenticate(form).client
    text = required(form, "token")
    try:
        found = await exchange.core.tokens.find(text)
        last = await _commit(exchange, caller, found)
    except TokenNotActive as nothing_to_do:
        # It may have been revoked a moment ago by another request that is still waiting for the other workers.
        last = (await exchange.reject(nothing_to_do)).last
    else:
        exchange.core.metrics.revoked(caller.client_id)
    await exchange.core.follower.settled(last)
    return _DONE


async def _commit(exchange: Exchange, caller: Client, found: FoundToken) -> int:
    try:
        return await _decide_and_append(exchange, caller, found)
    except VersionConflict:
        recorded = await exchange.core.journal.read_stream(found.grant_id)
        reloaded = fold_grant(event.fact() for event in recorded)
        return await _decide_and_append(exchange, caller, found._replace(grant=reloaded))


async def _decide_and_append(exchange: Exchange, caller: Client, found: FoundToken) -> int:
    event = decide_revocation(caller, found.grant, found.number, found.token_id, time.time())
    return (await exchange.append(found.grant_id, found.grant.version, event)).last

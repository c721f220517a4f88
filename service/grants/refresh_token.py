"""The refresh token grant (RFC 6749 section 6). Takes `refresh_token`, `scope` and `resource` (RFC 8707).

A narrower scope is that of the access token alone; the refresh token keeps that of the grant. What a refresh token is
worth is told in `service/decisions/refresh.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from projections.grants import Grant
from schema.events import TokenRefreshed, TokenReuseDetected
from service.client_auth.authenticate import AuthenticatedClient
from service.decisions.given import REFUSED, check_grant_type, handle_id
from service.decisions.refresh import Refreshing, RefreshPresented, RefreshReused, decide_refresh
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange
from service.errors import InvalidGrant
from service.grants import REFRESH_TOKEN, clock
from service.grants.change import change_grant
from service.grants.find_refresh import FoundRefreshToken, find_refresh_token
from service.grants.person_token import Given, id_token_of, mint_person_token, new_refresh_token, respond
from service.grants.reuse import end_reused
from service.http.request import required
from service.http.response import Response
from service.journal.port import VersionConflict
from service.tokens.handles import MalformedHandle

GRANT_TYPE = REFRESH_TOKEN


async def issue(exchange: Exchange, caller: AuthenticatedClient, form: Mapping[str, str]) -> Response:
    """Make sure that the token is one of ours, decide, commit, answer; refreshes of one grant come one by one.

    A forged token takes no turn, so that nobody delays another's refresh by it.
    """
    check_grant_type(caller.client, GRANT_TYPE)
    core, text = exchange.core, required(form, "refresh_token")
    presented = RefreshPresented(core.digester.digest(text), form.get("scope"), form.get("resource"))
    found = await _find(core, text, presented.digest)

    async def attempt(grant: Grant) -> Response:
        if grant.version < found.issued_at:
            raise VersionConflict  # another worker issued it, and its commit is not folded here yet
        return await _refresh(exchange, caller, found.grant_id, grant, presented)

    return await change_grant(core, found.grant_id, attempt)


async def _find(core: Core, text: str, digest: str) -> FoundRefreshToken:
    try:
        found = await find_refresh_token(core, text, digest)
    except MalformedHandle:
        raise InvalidGrant("refresh_token_malformed", REFUSED, token_digest=digest) from None
    if found is None:
        raise InvalidGrant("refresh_token_unknown", REFUSED, token_digest=digest)
    return found


async def _refresh(
    exchange: Exchange, caller: AuthenticatedClient, grant_id: UUID, grant: Grant, presented: RefreshPresented
) -> Response:
    core, client, now, version = exchange.core, caller.client, clock.now(), grant.version
    decided = decide_refresh(
        core.state, client, grant_id, grant, presented, issuer=core.issuer, settings=core.settings, now=now
    )
    if isinstance(decided, RefreshReused):
        await _end(exchange, client.client_id, grant_id, decided.generation)
        raise InvalidGrant("refresh_token_reused", REFUSED, token_id=handle_id(grant_id))
    given = Given(grant_id, decided.number, decided.person, decided.account, decided.terms)
    return await _commit(exchange, caller, given, decided, presented.digest, version, now)


async def _commit(
    exchange: Exchange,
    caller: AuthenticatedClient,
    given: Given,
    decided: Refreshing,
    used_digest: str,
    version: int,
    now: int,
) -> Response:
    core, client = exchange.core, caller.client
    token = await mint_person_token(exchange, caller, given, now)
    id_token = await id_token_of(core, client, given, token.minted.text, now)
    refresh = None if decided.use == "keep" else new_refresh_token(core, given.grant_id)
    refreshed = TokenRefreshed(
        **token.told,
        generation=decided.generation,
        used_digest=used_digest,
        refresh_digest=refresh.digest if refresh else None,
        retry=decided.use == "retry",
    )
    await exchange.append(given.grant_id, version, refreshed)
    core.metrics.issued(GRANT_TYPE, client.client_id)
    return respond(token.minted, given.terms, refresh, id_token)


async def _end(exchange: Exchange, client_id: str, grant_id: UUID, generation: int) -> None:
    detected = TokenReuseDetected(
        client_id=client_id, kind="refresh_token", generation=generation, user_agent=exchange.request.user_agent
    )
    await end_reused(exchange, grant_id, detected, "refresh_token_reused")

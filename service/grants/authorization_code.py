"""The authorization code grant (RFC 6749 section 4.1.3) with PKCE (RFC 7636), required of every client.

Takes `code`, `redirect_uri`, `code_verifier` and `resource` (RFC 8707 section 2.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from projections.grants import Grant
from schema.events import AuthorizationRedeemed, TokenReuseDetected
from service.client_auth.authenticate import AuthenticatedClient
from service.decisions.given import REFUSED, check_grant_type, handle_id
from service.decisions.redeem import CodePresented, CodeReused, check_code_verifier, decide_redemption
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange
from service.errors import InvalidGrant
from service.grants import AUTHORIZATION_CODE, clock
from service.grants.change import change_grant
from service.grants.person_token import Redemption, redeem_person_grant
from service.grants.reuse import end_reused
from service.http.request import required
from service.http.response import Response
from service.tokens.handles import AUTHORIZATION_CODE as CODE_PREFIX
from service.tokens.handles import MalformedHandle, parse_handle

GRANT_TYPE = AUTHORIZATION_CODE


async def issue(exchange: Exchange, caller: AuthenticatedClient, form: Mapping[str, str]) -> Response:
    """Find the grant that the code leads to, decide, commit, answer; of two at once one is too late."""
    check_grant_type(caller.client, GRANT_TYPE)
    core, code = exchange.core, required(form, "code")
    presented = _presented(core, code, form)
    grant_id = _grant_of(core, code)

    async def attempt(grant: Grant) -> Response:
        return await _redeem(exchange, caller, grant_id, grant, presented)

    return await change_grant(core, grant_id, attempt)


def _presented(core: Core, code: str, form: Mapping[str, str]) -> CodePresented:
    redirect_uri, verifier = required(form, "redirect_uri"), required(form, "code_verifier")
    check_code_verifier(verifier)
    return CodePresented(core.digester.digest(code), redirect_uri, verifier, form.get("resource"))


def _grant_of(core: Core, code: str) -> UUID:
    try:
        return parse_handle(CODE_PREFIX, code)
    except MalformedHandle:
        raise InvalidGrant("code_malformed", REFUSED, token_digest=core.digester.digest(code)) from None


async def _redeem(
    exchange: Exchange, caller: AuthenticatedClient, grant_id: UUID, grant: Grant, presented: CodePresented
) -> Response:
    core, client = exchange.core, caller.client
    decided = decide_redemption(
        core.state,
        client,
        grant_id,
        grant,
        presented,
        issuer=core.issuer,
        default_lifetime=core.settings.access_token_lifetime,
        session_end_revokes=core.settings.session_end_revokes,
        now=clock.now(),
    )
    if isinstance(decided, CodeReused):
        await _end(exchange, client.client_id, grant_id)
        raise InvalidGrant("code_reused", REFUSED, token_id=handle_id(grant_id))
    redeemed = AuthorizationRedeemed(client_id=client.client_id)
    return await redeem_person_grant(
        exchange, caller, Redemption(GRANT_TYPE, grant_id, grant.version, *decided, redeemed)
    )


async def _end(exchange: Exchange, client_id: str, grant_id: UUID) -> None:
    detected = TokenReuseDetected(
        client_id=client_id, kind="authorization_code", user_agent=exchange.request.user_agent
    )
    await end_reused(exchange, grant_id, detected, "code_reused")

"""The client credentials grant (RFC 6749 section 4.4). Takes `scope` and `resource` (RFC 8707)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from uuid import UUID

from schema.events import TokenIssued
from schema.streams import new_stream
from service.client_auth.authenticate import AuthenticatedClient
from service.decisions.issue import Terms, decide_terms
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange
from service.grants.minting import TokenResponse, mint
from service.http.response import Response, answer
from service.tokens.jwt import Claims

GRANT_TYPE = "client_credentials"
_ONLY_TOKEN = 1


async def issue(exchange: Exchange, caller: AuthenticatedClient, form: Mapping[str, str]) -> Response:
    """Decide the terms, mint the token, commit its event, then answer with it."""
    core = exchange.core
    terms = decide_terms(
        core.state.access,
        caller.client,
        GRANT_TYPE,
        scope=form.get("scope"),
        resource=form.get("resource"),
        default_lifetime=core.settings.access_token_lifetime,
    )
    grant_id, now = new_stream(), int(time.time())
    claims = _claims(core, caller.client.client_id, terms, grant_id, now)
    minted = await mint(core, terms.format, grant_id, claims)
    event = TokenIssued(
        number=_ONLY_TOKEN,
        client_id=caller.client.client_id,
        subject=caller.client.client_id,
        audience=terms.audience,
        scope=terms.scope,
        issued_at=now,
        expires_at=now + terms.lifetime,
        grant_type=GRANT_TYPE,
        auth_method=caller.method,
        format=terms.format,
        kid=minted.kid,
        digest=minted.digest,
        user_agent=exchange.request.user_agent,
    )
    await exchange.append(grant_id, 0, event)
    core.metrics.issued(GRANT_TYPE, caller.client.client_id)
    return answer(TokenResponse(access_token=minted.text, expires_in=terms.lifetime, scope=terms.scope))


def _claims(core: Core, client_id: str, terms: Terms, grant_id: UUID, now: int) -> Claims:
    return Claims(
        iss=core.issuer,
        sub=client_id,
        aud=terms.audience,
        exp=now + terms.lifetime,
        iat=now,
        jti=f"{grant_id}.{_ONLY_TOKEN}",
        client_id=client_id,
        scope=terms.scope,
        grant_id=str(grant_id),
    )

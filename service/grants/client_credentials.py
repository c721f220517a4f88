"""The client credentials grant (RFC 6749 section 4.4). Takes `scope` and `resource` (RFC 8707)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

import msgspec

from schema.events import TokenIssued
from schema.streams import new_stream
from service.client_auth.authenticate import AuthenticatedClient
from service.decisions.issue import Terms, decide_terms
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange
from service.http.response import Response, answer
from service.tokens.handles import new_access_token
from service.tokens.jwt import Claims

GRANT_TYPE = "client_credentials"
_ONLY_TOKEN = 1


class TokenResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A successful token response (RFC 6749 section 5.1)."""

    access_token: str
    token_type: str = "Bearer"
    expires_in: int
    scope: str


class _Minted(NamedTuple):
    """A token's text and the parts of its event that depend on its form."""

    text: str
    kid: str | None = None
    digest: str | None = None


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
    minted = await _mint(core, caller.client.client_id, terms, grant_id, now)
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


async def _mint(core: Core, client_id: str, terms: Terms, grant_id: UUID, now: int) -> _Minted:
    if terms.format == "opaque":
        text = new_access_token(grant_id)
        return _Minted(text, digest=core.digester.digest(text))
    signer = await core.ring.signer()
    claims = Claims(
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
    return _Minted(signer.sign(claims), kid=signer.kid)

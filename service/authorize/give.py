"""Giving a grant: the consent it rests on, the grant itself, and its code (RFC 6749 section 4.1.2)."""

from __future__ import annotations

import time

from projections.access_model import AccessModel, Client
from schema.events import AuthorizationGranted
from schema.streams import new_stream
from service.authorize.claims_parameter import scopes_of_claims
from service.authorize.decide import Give
from service.authorize.request import AuthorizationRequest
from service.browser.visit import SignedIn, Visit
from service.grants.consents import allow
from service.grants.standing import check_still_stands
from service.tokens.handles import AUTHORIZATION_CODE, new_handle

_TAKEN_BACK = "What the grant would rest on was taken back."


async def give(visit: Visit, client: Client, request: AuthorizationRequest, signed_in: SignedIn, given: Give) -> str:
    """Commit consent and grant; the code of it.

    Raises AccessDenied where what it rests on was taken away meanwhile, or JournalUnavailable.
    """
    if given.new:
        await allow(visit.core, visit.exchange.context, signed_in.account.subject, client, given.new)
    grant_id = new_stream()
    code = new_handle(AUTHORIZATION_CODE, grant_id)
    event = _granted(visit, request, signed_in, given, visit.core.digester.digest(code))
    appended = await visit.exchange.append(grant_id, 0, event)
    await check_still_stands(visit, signed_in, client, given.wanted, grant_id, appended.last, _TAKEN_BACK)
    return code


def _granted(
    visit: Visit, request: AuthorizationRequest, signed_in: SignedIn, given: Give, digest: str
) -> AuthorizationGranted:
    session, now = signed_in.session, int(time.time())
    return AuthorizationGranted(
        client_id=request.client_id,
        subject=signed_in.account.subject,
        session=str(signed_in.session_id),
        scope=" ".join(sorted(given.scopes)),
        resources=_resources(visit.core.state.access, request, given.scopes),
        redirect_uri=request.redirect_uri,
        code_challenge=request.code_challenge,
        digest=digest,
        issued_at=now,
        expires_at=now + visit.core.settings.authorization_code_lifetime,
        auth_time=session.auth_time,
        amr=session.amr,
        acr=session.acr,
        nonce=request.nonce,
        id_token_claims=_claims(request.id_token_claims, given),
        userinfo_claims=_claims(request.userinfo_claims, given),
        user_agent=visit.request.user_agent,
    )


def _resources(access: AccessModel, request: AuthorizationRequest, scopes: frozenset[str]) -> tuple[str, ...]:
    """The APIs asked for, without those at which the person can give nothing of what was asked."""
    asked = {uri: access.resources[uri].scopes.keys() for uri in request.resources if uri in access.resources}
    return tuple(uri for uri, known in asked.items() if known & scopes or not known & request.scopes)


def _claims(names: tuple[str, ...], given: Give) -> tuple[str, ...]:
    return tuple(name for name in names if scopes_of_claims((name,)) <= given.wanted)

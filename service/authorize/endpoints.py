"""The authorization endpoint, its way back from the sign-in page, and the answer of the consent page."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Mapping
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from schema.events import AuthorizationDenied
from schema.streams import new_stream
from service.authorize.answer import Target, prove_target, refuse, respond
from service.authorize.consent_page import ConsentRequest, ask
from service.authorize.decide import Consent, Give, Present, SignIn, asked_scopes, decide
from service.authorize.give import give
from service.authorize.parameters import Sent, only, sent_parameters
from service.authorize.request import (
    LIFETIME,
    AuthorizationRequest,
    as_of_now,
    read_request,
    response_mode_of,
    state_of,
)
from service.browser.sign_in_request import SignInRequest, sign_in_first
from service.browser.visit import ACTION_METHODS, SignedIn, Visit, page_endpoint
from service.decisions.person import scopes_of_person
from service.endpoints.core import Core
from service.errors import InvalidRequest, Rejection
from service.http.endpoint import Endpoint
from service.http.request import required
from service.http.response import Response, redirect
from service.tokens.seal import NotSealed

_NOTHING = frozenset[str]()

T = TypeVar("T", bound=msgspec.Struct)


def authorize_endpoints(core: Core) -> dict[str, Endpoint]:
    """The endpoints by path."""
    return {
        "/oauth2/authorize": page_endpoint(core, "authorize", authorize, ("GET", "POST")),
        "/oauth2/authorize/resume": page_endpoint(core, "authorize", resume, ("GET",)),
        "/consent": page_endpoint(core, "consent", consent, ACTION_METHODS),
    }


async def authorize(visit: Visit) -> Response:
    """Prove who asks and where the answer goes, read what is asked, go on."""
    sent = await sent_parameters(visit.request)
    client_id, redirect_uri = only(sent, "client_id"), only(sent, "redirect_uri")
    target = prove_target(visit, client_id, redirect_uri, response_mode_of(sent), state_of(sent))
    return await _told(visit, target, _begin(visit, target, sent))


async def resume(visit: Visit) -> Response:
    """Go on with a request, once somebody signed in."""
    request = _opened(visit, AuthorizationRequest, visit.query())
    target = _target_of(visit, request)
    return await _told(visit, target, _go_on(visit, target, request))


async def consent(visit: Visit) -> Response:
    """What the person decided: allow, deny, or be somebody else."""
    form = await visit.form()
    asked = _opened(visit, ConsentRequest, form)
    signed_in = visit.signed_in
    if signed_in is None or str(signed_in.session_id) != asked.session:
        raise InvalidRequest("consent_of_other_session", "Another sign-in was asked. Go back and start again.")
    target = _target_of(visit, asked.request)
    match form.get("decision"):
        case "allow":
            return await _told(visit, target, _go_on(visit, target, asked.request, asked.scopes))
        case "deny":
            return await _deny(visit, target, asked.request, signed_in)
        case "switch":
            return _sign_in(visit, target, _anew(visit, asked.request), "")
        case _:
            raise InvalidRequest("unknown_decision", "The form says neither yes nor no.")


def _opened(visit: Visit, kind: type[T], parameters: Mapping[str, str]) -> T:
    try:
        return visit.core.sealer.open(kind, required(parameters, "request"))
    except NotSealed:
        raise _stale() from None


def _target_of(visit: Visit, request: AuthorizationRequest) -> Target:
    """Raises InvalidRequest, also where the client that asked was removed and another one has its id."""
    target = prove_target(visit, request.client_id, request.redirect_uri, request.response_mode, request.state)
    if target.client.since != request.client_since:
        raise _stale()
    return target


def _stale() -> InvalidRequest:
    return InvalidRequest("stale_request", "This page is out of date. Start again from the application.")


async def _told(visit: Visit, target: Target, steps: Awaitable[Response]) -> Response:
    """The answer of the steps, or their refusal, which is the client's to know."""
    try:
        return await steps
    except Rejection as rejection:
        return await refuse(visit, target, rejection)


async def _begin(visit: Visit, target: Target, sent: Sent) -> Response:
    request = read_request(visit.core, target.client, target.redirect_uri, sent, _now_at(visit))
    if visit.request.method == "POST":
        # The post of another site brings no cookies (SameSite=Lax); going there by GET does. Those that the browser
        # has must stay, so none is set here.
        return redirect(_way_back(visit, request))
    return await _go_on(visit, target, request)


async def _go_on(
    visit: Visit, target: Target, request: AuthorizationRequest, said_yes: frozenset[str] = _NOTHING
) -> Response:
    """Decide what comes next, and do it. Raises a Rejection, which the client is told."""
    current = as_of_now(visit.core, target.client, request)
    decision = decide(current, target.client, _present(visit, target, current), time.time(), said_yes)
    match decision, visit.signed_in:
        case Consent(), SignedIn() as signed_in:
            return ask(visit, target, request, signed_in, decision)
        case Give(), SignedIn() as signed_in:
            code = await give(visit, target.client, current, signed_in, decision)
            return respond(visit, target, {"code": code})
        case SignIn(acr=acr), _:
            return _sign_in(visit, target, request, acr)
        case _:
            raise AssertionError("nobody can be asked, or give, who is not signed in")


def _present(visit: Visit, target: Target, request: AuthorizationRequest) -> Present | None:
    if visit.signed_in is None:
        return None
    state, account = visit.core.state, visit.signed_in.account
    return Present(
        session=visit.signed_in.session,
        account=account,
        subject=visit.core.subjects.of(target.client, account.subject),
        possible=scopes_of_person(state.access, account, asked_scopes(request)),
        allowed=state.consents.scopes(account.subject, target.client.client_id),
    )


def _sign_in(visit: Visit, target: Target, request: AuthorizationRequest, acr: str) -> Response:
    sign_in = SignInRequest(
        return_to=_way_back(visit, request),
        client_id=target.client.client_id,
        client_name=target.client_name,
        name=_name(visit, target, request),
        acr=acr,
        form_action=target.form_action,
    )
    return sign_in_first(visit, sign_in)


def _name(visit: Visit, target: Target, request: AuthorizationRequest) -> str:
    """The name that the form begins with: the one hinted at, else that of who is to sign in again."""
    if request.login_hint or visit.signed_in is None or "select_account" in request.prompt:
        return request.login_hint
    account = visit.signed_in.account
    expected = set(request.subjects) <= {visit.core.subjects.of(target.client, account.subject)}
    return account.name if expected else ""


async def _deny(visit: Visit, target: Target, request: AuthorizationRequest, signed_in: SignedIn) -> Response:
    denied = AuthorizationDenied(
        client_id=request.client_id,
        subject=signed_in.account.subject,
        scope=" ".join(sorted(request.scopes)),
        user_agent=visit.request.user_agent,
    )
    await visit.exchange.append(new_stream(), 0, denied)
    return respond(visit, target, {"error": "access_denied", "error_description": "The person said no."})


def _anew(visit: Visit, request: AuthorizationRequest) -> AuthorizationRequest:
    """The same request, for somebody who signs in from now on."""
    return msgspec.structs.replace(
        request, prompt=request.prompt | {"select_account"}, after=_now_at(visit), login_hint=""
    )


def _now_at(visit: Visit) -> int:
    """A position that is behind the sign-in of whoever is signed in here, and before that of whoever will."""
    return max(visit.core.state.position, visit.signed_in.session.position if visit.signed_in else 0)


def _way_back(visit: Visit, request: AuthorizationRequest) -> str:
    return f"/oauth2/authorize/resume?{urlencode({'request': visit.core.sealer.seal(request, LIFETIME)})}"

"""What comes next for an authorization request: sign in, be asked, or get the code. Pure: no clock, no I/O.

A person who signed in because of the request is not sent to sign in again for it, whatever the request wants: what is
not had then is done without, or, where it must be had, is refused. So nobody goes round in circles.

A session is of one person, so `account_selection_required` never comes up: `prompt=select_account` asks to sign in.
"""

from __future__ import annotations

from typing import NamedTuple

from projections.access_model import Client
from projections.accounts import Account
from projections.sessions import Session
from service.accounts.acr import ACR_VALUES, PHISHING_RESISTANT, TWO_FACTORS, satisfies
from service.authorize.claims_parameter import scopes_of_claims
from service.authorize.redirects import is_native
from service.authorize.request import AuthorizationRequest
from service.errors import (
    AccessDenied,
    ConsentRequired,
    InteractionRequired,
    LoginRequired,
    UnmetAuthenticationRequirements,
)
from service.oidc.scopes import OFFLINE_ACCESS

_AGAIN = frozenset({"login", "select_account"})


class Present(NamedTuple):
    """Who is signed in. `subject` is what the client calls them, `possible` the scopes of the request that they can
    give, `allowed` those that they allowed the client before.
    """

    session: Session
    account: Account
    subject: str
    possible: frozenset[str]
    allowed: frozenset[str]


class SignIn(NamedTuple):
    """Somebody must sign in, if they can of this class; an empty one is any."""

    acr: str


class Consent(NamedTuple):
    """The person must be asked for these scopes, at these APIs; `new` are those that they did not allow before."""

    scopes: frozenset[str]
    new: frozenset[str]
    resources: tuple[str, ...]


class Give(NamedTuple):
    """The client gets `scopes`. The person was asked for `wanted`, now or before; just now they allowed `new`."""

    scopes: frozenset[str]
    wanted: frozenset[str]
    new: frozenset[str]


Decision = SignIn | Consent | Give


def asked_scopes(request: AuthorizationRequest) -> frozenset[str]:
    """What a person is asked for: the scopes, and those that would ask for the claims which the request names."""
    return request.scopes | scopes_of_claims((*request.id_token_claims, *request.userinfo_claims))


def decide(
    request: AuthorizationRequest,
    client: Client,
    present: Present | None,
    now: float,
    said_yes: frozenset[str] = frozenset(),
) -> Decision:
    """What comes next. `said_yes` are scopes that the person was asked for, for this request, and allows.

    Raises LoginRequired, ConsentRequired, InteractionRequired, AccessDenied or UnmetAuthenticationRequirements.
    """
    if present is None:
        return _sign_in(request, "not_signed_in", _class_of_anybody(request))
    fresh = present.session.position > request.after
    if not set(request.subjects) <= {present.subject}:
        if fresh:
            raise LoginRequired("other_person_signed_in", "Another person signed in than is asked for.")
        return _sign_in(request, "other_person_signed_in", _class_of_anybody(request))
    if not fresh and _must_again(request, present.session, now):
        return _sign_in(request, "sign_in_too_old", _class_of_anybody(request))
    stronger = _stronger(request, present, fresh)
    if stronger is not None:
        return _sign_in(request, "sign_in_too_weak", stronger)
    return _ask_or_give(request, client, present, said_yes)


def _sign_in(request: AuthorizationRequest, reason: str, acr: str) -> SignIn:
    if "none" in request.prompt:
        raise LoginRequired(reason, "The person must sign in.")
    return SignIn(acr)


def _must_again(request: AuthorizationRequest, session: Session, now: float) -> bool:
    """Whether a sign-in of before the request will not do (OpenID Connect Core section 3.1.2.1)."""
    if request.prompt & _AGAIN or request.max_age == 0:
        return True
    return request.max_age is not None and now - session.auth_time > request.max_age


def _class_of_anybody(request: AuthorizationRequest) -> str:
    """The class to sign in with while nobody knows who it will be."""
    return next(iter(_known(request)), "")


def _stronger(request: AuthorizationRequest, present: Present, fresh: bool) -> str | None:
    """The class that this person must still sign in with, None where it will do as it is."""
    known = _known(request)
    if not known or any(satisfies(present.session.acr, each) for each in known):
        return None
    reachable = [each for each in known if _can(present.account, each)]
    if reachable and not fresh and (request.acr_essential or "none" not in request.prompt):
        return reachable[0]
    if request.acr_essential:
        raise UnmetAuthenticationRequirements("acr_not_had", "The person cannot sign in, or did not, in that class.")
    return None


def _known(request: AuthorizationRequest) -> list[str]:
    """The classes asked for that there are, the preferred one first."""
    known = [each for each in request.acr_values if each in ACR_VALUES]
    if request.acr_essential and request.acr_values and not known:
        raise UnmetAuthenticationRequirements("acr_unknown", "There is no such class of signing in.")
    return known


def _can(account: Account, acr: str) -> bool:
    """Whether the account has what signing in with that class takes."""
    if acr == PHISHING_RESISTANT:
        return bool(account.passkeys)
    return acr != TWO_FACTORS or account.has_second_factor


def _ask_or_give(
    request: AuthorizationRequest, client: Client, present: Present, said_yes: frozenset[str]
) -> Consent | Give:
    scopes = present.possible & request.scopes
    if not scopes - {OFFLINE_ACCESS}:
        raise AccessDenied("no_scope_of_person", "The person can give nothing of what is asked for.")
    wanted = present.possible & asked_scopes(request)
    new = wanted - present.allowed
    if wanted <= said_yes:
        return Give(scopes, wanted, new)
    if not _must_ask(request, client, new):
        return Give(scopes, wanted, frozenset())
    if "none" not in request.prompt:
        return Consent(wanted, new, request.resources)
    if new:
        raise ConsentRequired("consent_needed", "The person must allow it first.")
    raise InteractionRequired("unproven_app", "The person must see that an app on their device asks.")


def _must_ask(request: AuthorizationRequest, client: Client, new: frozenset[str]) -> bool:
    """Whether the person is asked. An app that cannot prove what it is gets nothing unseen (RFC 8252 section 8.6),
    unless the operator calls it their own.
    """
    if "consent" in request.prompt:
        return True
    if client.settings.first_party:
        return False
    return bool(new) or (client.settings.auth_method == "none" and is_native(request.redirect_uri))

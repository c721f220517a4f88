"""The page that asks a person whether a client may have what it asks for."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from projections.access_model import AccessModel
from service.authorize.answer import Target
from service.authorize.decide import Consent
from service.authorize.redirects import shown
from service.authorize.request import LIFETIME, AuthorizationRequest
from service.browser.visit import SignedIn, Visit
from service.http.response import Response
from service.oidc.scopes import IDENTITY_SCOPES
from service.pages.models import ConsentPage, ScopeGroup, ScopeLine


class ConsentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a person was asked, sealed into the page's form: an answer counts in the same session alone."""

    request: AuthorizationRequest
    session: str
    scopes: frozenset[str]


def ask(visit: Visit, target: Target, request: AuthorizationRequest, signed_in: SignedIn, consent: Consent) -> Response:
    """Show the page."""
    sealed = ConsentRequest(request=request, session=str(signed_in.session_id), scopes=consent.scopes)
    page = ConsentPage(
        csrf=visit.csrf(),
        request=visit.core.sealer.seal(sealed, LIFETIME),
        client_name=target.client_name,
        account_name=signed_in.account.name,
        groups=scope_groups(visit.core.state.access, consent.scopes, consent.resources, consent.new),
        returns_to=shown(target.redirect_uri),
        allowed_before=consent.new != consent.scopes,
        form_action=target.form_action,
    )
    return visit.page(page)


def scope_groups(
    access: AccessModel, scopes: frozenset[str], resources: Iterable[str], new: frozenset[str]
) -> tuple[ScopeGroup, ...]:
    """The scopes in words: first those about the person, then those of each API."""
    of_apis = {uri: access.resources[uri].scopes for uri in resources if uri in access.resources}
    groups = [_group("", IDENTITY_SCOPES, scopes, new)]
    groups += [_group(uri, described, scopes, new) for uri, described in of_apis.items()]
    return tuple(group for group in groups if group.scopes)


def _group(title: str, described: dict[str, str], scopes: frozenset[str], new: frozenset[str]) -> ScopeGroup:
    lines = (
        ScopeLine(scope=scope, description=words or scope, is_new=scope in new)
        for scope, words in described.items()
        if scope in scopes
    )
    return ScopeGroup(title=title, scopes=tuple(lines))

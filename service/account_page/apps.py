"""`/account/apps/withdraw`: which applications somebody allows what, and how they take that back."""

from __future__ import annotations

from projections.access_model import AccessModel, Client
from projections.accounts import Account
from service.browser.visit import SignedIn, Visit
from service.endpoints.core import Core
from service.grants.consents import LivingGrant, living_grants, withdraw
from service.http.request import required
from service.http.response import Response
from service.oidc.scopes import IDENTITY_SCOPES
from service.pages.models import AppLine, ScopeLine

_ACCOUNT = "/account"


async def app_lines(core: Core, account: Account) -> tuple[AppLine, ...]:
    """The applications that a person allowed something, and those that need not ask and have a grant: by name.

    Raises JournalUnavailable.
    """
    grants = await living_grants(core, account)
    allowed = core.state.consents.of_subject(account.subject)
    known = core.state.access.clients
    lines = [
        _line(core, known[client_id], allowed.get(client_id), [each for each in grants if each.client_id == client_id])
        for client_id in allowed.keys() | {grant.client_id for grant in grants}
        if client_id in known
    ]
    return tuple(sorted(lines, key=lambda line: (line.client_name.casefold(), line.client_id)))


async def withdraw_app(visit: Visit, owner: SignedIn) -> Response:
    """Take back what the person allowed a client, if they did. Raises InvalidRequest or JournalUnavailable."""
    form = await visit.form()
    core, client_id = visit.core, required(form, "client_id")
    last = await withdraw(core, visit.exchange.context, owner.account, client_id)
    # Where nothing was left, another answer may still be on its way to the other workers.
    await core.follower.settled(await core.journal.head() if last is None else last)
    return visit.redirect(f"{_ACCOUNT}?done=app_withdrawn")


def _line(core: Core, client: Client, allowed: frozenset[str] | None, grants: list[LivingGrant]) -> AppLine:
    scopes = frozenset[str]().union(*(grant.scopes for grant in grants)) if allowed is None else allowed
    return AppLine(
        client_id=client.client_id,
        client_name=client.settings.client_name or client.client_id,
        scopes=_scope_lines(core.state.access, client, scopes),
        last_used_at=max((grant.used_at for grant in grants), default=None),
    )


def _scope_lines(access: AccessModel, client: Client, scopes: frozenset[str]) -> tuple[ScopeLine, ...]:
    """The scopes in words: those about the person first. One that no API has any more is its own description."""
    apis = [access.resources[uri].scopes for uri in client.settings.resources if uri in access.resources]
    words: dict[str, str] = {}
    for described in (IDENTITY_SCOPES, *apis, dict.fromkeys(sorted(scopes), "")):
        words |= {scope: text or scope for scope, text in described.items() if scope in scopes - words.keys()}
    return tuple(ScopeLine(scope=scope, description=text) for scope, text in words.items())

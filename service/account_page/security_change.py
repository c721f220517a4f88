"""Changing one's own account: who may, how the change is committed, and where the browser goes on."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple

from projections.accounts import Account
from schema.events import Event
from schema.streams import account_stream
from service.accounts.acr import TWO_FACTORS, satisfies
from service.accounts.vault import VaultWrite
from service.browser.sign_in_request import SignInRequest, sign_in_first
from service.browser.visit import SignedIn, Visit, VisitSteps
from service.endpoints.core import Core
from service.errors import InvalidRequest
from service.http.response import Response
from service.journal.port import Append, Appended, JournalUnavailable, SingleUse, VersionConflict

RECENT = 900
"""Seconds for which a sign-in is proof enough to change how one signs in."""

Done = Literal["password_changed", "totp_added", "totp_removed", "passkey_added", "passkey_removed"]

NOTICES: dict[str, str] = {
    "password_changed": "Your password is changed, and every other browser is signed out.",
    "totp_added": "Your authenticator app is added. Make recovery codes, unless you have some.",
    "totp_removed": "Your authenticator app is removed.",
    "passkey_added": "Your passkey is added.",
    "passkey_removed": "Your passkey is removed. You may delete it from your device too.",
}
"""What the account page says after a change, by the code in its query (`done`)."""

_ATTEMPTS = 3
_ACCOUNT = "/account"


class Change(NamedTuple):
    """Events of an account, what is used up with them, and what changes in the vault."""

    events: tuple[Event, ...]
    once: SingleUse | None = None
    vault: VaultWrite | None = None


Decide = Callable[[Account], Change]
"""What to change, given the account as it is now. Raises InvalidRequest for what may not be."""

OwnerSteps = Callable[[Visit, SignedIn], Awaitable[Response]]


def for_owner(steps: OwnerSteps) -> VisitSteps:
    """The steps for who signed in of late, and with two factors where the account has them; others sign in first."""

    async def guarded(visit: Visit) -> Response:
        owner = visit.signed_in
        if owner is None:
            return sign_in_first(visit, SignInRequest(return_to=_ACCOUNT))
        wanted = TWO_FACTORS if owner.account.has_second_factor else ""
        if owner.session.auth_time + RECENT > time.time() and satisfies(owner.session.acr, wanted):
            return await steps(visit, owner)
        return sign_in_first(visit, SignInRequest(return_to=_ACCOUNT, name=owner.account.name, acr=wanted))

    return guarded


async def commit_change(visit: Visit, owner: SignedIn, decide: Decide) -> Appended:
    """Commit what `decide` decides; when another change comes in between, it decides once more.

    On return every worker acts on it. Raises what `decide` raises, InvalidRequest when the session ended meanwhile,
    AlreadyUsed or JournalUnavailable.
    """
    core, stream = visit.core, account_stream(owner.account.name)
    for _ in range(_ATTEMPTS):
        change = decide(_account_now(core, owner))
        version = core.state.accounts.version_of(stream)
        try:
            appended = await _append(
                core, Append(stream, version, change.events, visit.exchange.context, change.once), change.vault
            )
        except VersionConflict:
            await core.follower.refresh()
            continue
        await core.follower.settled(appended.last)
        return appended
    raise JournalUnavailable("the account changes too fast")


async def refused(visit: Visit, rejection: InvalidRequest) -> str:
    """Journal that a form is refused whose page is shown once more; returns what that says."""
    await visit.exchange.reject(rejection)
    return rejection.description


def done(visit: Visit, code: Done) -> Response:
    """Back to the account page, which says what is done."""
    return visit.redirect(f"{_ACCOUNT}?done={code}")


def _account_now(core: Core, owner: SignedIn) -> Account:
    account = core.state.accounts.by_subject[owner.account.subject]
    if not owner.session.alive(account, time.time()):
        raise InvalidRequest("session_over", "You have been signed out meanwhile. Sign in and try again.")
    return account


async def _append(core: Core, request: Append, vault: VaultWrite | None) -> Appended:
    if vault is None:
        return await core.journal.append(request)
    return await core.journal.append_with(request, vault.statement, *vault.arguments)

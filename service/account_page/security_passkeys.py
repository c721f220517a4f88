"""`/account/passkeys`: add or remove a passkey."""

from __future__ import annotations

from projections.accounts import Account
from schema.events import PasskeyAdded, PasskeyRemoved
from service.account_page.security_change import Change, commit_change, done
from service.account_page.security_totp import without_factor
from service.accounts.passkeys import Passkeys, once_added
from service.browser.visit import SignedIn, Visit
from service.errors import InvalidRequest
from service.http.request import required
from service.http.response import Response
from service.journal.port import AlreadyUsed
from service.printable import readable
from service.sessions.start import renew_session

_MOST = 20
_LONGEST_LABEL = 64
_UNNAMED = "Passkey"


async def passkeys(visit: Visit, owner: SignedIn) -> Response:
    """Add one that the browser made, or remove one. Raises InvalidRequest or JournalUnavailable."""
    form = await visit.form()
    match required(form, "action"):
        case "add":
            return await _add(visit, owner, form)
        case "remove":
            return await _remove(visit, owner, required(form, "credential_id"))
        case _:
            raise InvalidRequest("unknown_action", "The form asks for nothing that can be done here.")


async def _add(visit: Visit, owner: SignedIn, form: dict[str, str]) -> Response:
    added = Passkeys(visit.core.issuer, visit.core.sealer).created(
        visit.browser, required(form, "passkey_state"), required(form, "credential"), owner.account, _label(form)
    )
    if added is None:
        raise _refusal()

    def decide(account: Account) -> Change:
        _check_new(visit, account, added)
        return Change((added,), once=once_added(visit.core.digester, added))

    try:
        await commit_change(visit, owner, decide)
    except AlreadyUsed:
        raise _refusal("used before") from None
    # It has just verified the person here: this session is as strong now as one that was started with it.
    await renew_session(visit, owner, owner.account, tuple(dict.fromkeys((*owner.session.amr, "pop", "user"))))
    return done(visit, "passkey_added")


async def _remove(visit: Visit, owner: SignedIn, credential_id: str) -> Response:
    def decide(account: Account) -> Change:
        kept = [each for each in account.passkeys if each.credential_id != credential_id]
        if len(kept) == len(account.passkeys):
            raise InvalidRequest("unknown_passkey", "This account has no such passkey any more.")
        removed = PasskeyRemoved(subject=account.subject, credential_id=credential_id)
        return Change(without_factor(account, removed, last=not (kept or account.has_totp)))

    await commit_change(visit, owner, decide)
    return done(visit, "passkey_removed")


def _check_new(visit: Visit, account: Account, added: PasskeyAdded) -> None:
    if visit.core.state.accounts.with_passkey(added.credential_id) is not None:
        raise _refusal("used before")
    if len(account.passkeys) >= _MOST:
        raise InvalidRequest("too_many_passkeys", f"An account has at most {_MOST} passkeys: remove one first.")


def _refusal(detail: str | None = None) -> InvalidRequest:
    told = "The passkey could not be added. Go back to your account and try once more."
    return InvalidRequest("passkey_refused", told, detail=detail)


def _label(form: dict[str, str]) -> str:
    """What the person calls it, without characters that deceive; never empty."""
    return readable(form.get("label", ""), _LONGEST_LABEL).strip() or _UNNAMED

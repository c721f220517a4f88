"""`/account/totp`: add or remove an authenticator app. `/account/recovery-codes`: make new recovery codes."""

from __future__ import annotations

import hmac
import time

import msgspec

from projections.accounts import Account
from schema.events import Event, RecoveryCodesSet, TotpEnrolled, TotpRemoved
from service.account_page.security_change import Change, commit_change, done, refused
from service.accounts.recovery import code_digest, new_codes
from service.accounts.totp import (
    matching_step,
    new_secret,
    provisioning_uri,
    qr_svg,
    secret_text,
    used_step,
)
from service.accounts.vault import forgetting_totp
from service.browser.visit import SignedIn, Visit
from service.errors import InvalidRequest
from service.http.request import required
from service.http.response import Response
from service.journal.port import AlreadyUsed
from service.pages.models import RecoveryCodesPage, TotpPage
from service.sessions.start import renew_session
from service.tokens.seal import NotSealed

_LIFETIME = 600
"""Seconds in which a new app must prove itself."""

_REFUSED = 400


class TotpEnrolment(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticator app that is about to be added."""

    browser: str
    subject: str
    secret: bytes


async def totp(visit: Visit, owner: SignedIn) -> Response:
    """Begin to add one, confirm it by a code, or remove it. Raises InvalidRequest or JournalUnavailable."""
    form = await visit.form()
    match required(form, "action"):
        case "begin":
            return _enrolment_page(visit, owner, new_secret())
        case "confirm":
            return await _confirm(visit, owner, form)
        case "remove":
            await commit_change(visit, owner, _totp_removal)
            return done(visit, "totp_removed")
        case _:
            raise InvalidRequest("unknown_action", "The form asks for nothing that can be done here.")


async def recovery_codes(visit: Visit, owner: SignedIn) -> Response:
    """Make new codes and show them, this once. Raises InvalidRequest or JournalUnavailable."""
    await visit.form()
    subject, codes = owner.account.subject, new_codes()
    digests = tuple(filter(None, (code_digest(visit.core.digester, subject, code) for code in codes)))

    def decide(account: Account) -> Change:
        if not account.has_second_factor:
            raise InvalidRequest(
                "no_second_factor",
                "Recovery codes stand in for an authenticator app or a passkey: add one of them first.",
            )
        return Change((RecoveryCodesSet(subject=subject, digests=digests),))

    await commit_change(visit, owner, decide)
    return visit.page(RecoveryCodesPage(codes=codes))


def without_factor(account: Account, removed: Event, *, last: bool) -> tuple[Event, ...]:
    """The events of a factor's removal. With the last one go the recovery codes, which stood in for it."""
    if last and account.recovery_digests:
        return removed, RecoveryCodesSet(subject=account.subject, digests=())
    return (removed,)


def _totp_removal(account: Account) -> Change:
    if not account.has_totp:
        raise InvalidRequest("no_totp", "This account has no authenticator app.")
    removed = without_factor(account, TotpRemoved(subject=account.subject), last=not account.passkeys)
    return Change(removed, vault=forgetting_totp(account.subject))


async def _confirm(visit: Visit, owner: SignedIn, form: dict[str, str]) -> Response:
    enrolment = _opened(visit, owner, required(form, "state"))
    step = matching_step(enrolment.secret, form.get("code", ""), time.time())
    if step is None or not await _enrolled(visit, owner, enrolment, step):
        wrong = InvalidRequest("wrong_otp", "That is not the code that the app shows now. Try the next one.")
        return _enrolment_page(visit, owner, enrolment.secret, await refused(visit, wrong))
    # The app has just been used here: this session is as strong now as one that was started with it.
    await renew_session(visit, owner, owner.account, tuple(dict.fromkeys((*owner.session.amr, "otp"))))
    return done(visit, "totp_added")


async def _enrolled(visit: Visit, owner: SignedIn, enrolment: TotpEnrolment, step: int) -> bool:
    """Whether the app is added; not where this code was used before."""
    core, subject = visit.core, owner.account.subject
    change = Change(
        (TotpEnrolled(subject=subject),),
        once=used_step(core.digester, subject, step),
        vault=core.totp.keeping(subject, enrolment.secret),
    )
    try:
        await commit_change(visit, owner, lambda _: change)
    except AlreadyUsed:
        return False
    return True


def _opened(visit: Visit, owner: SignedIn, state: str) -> TotpEnrolment:
    try:
        enrolment = visit.core.sealer.open(TotpEnrolment, state)
    except NotSealed:
        enrolment = None
    if (
        enrolment is None
        or enrolment.subject != owner.account.subject
        or not hmac.compare_digest(enrolment.browser, visit.browser)
    ):
        raise InvalidRequest("stale_form", "The form is out of date. Go back to your account and begin again.")
    return enrolment


def _enrolment_page(visit: Visit, owner: SignedIn, secret: bytes, error: str = "") -> Response:
    enrolment = TotpEnrolment(browser=visit.browser, subject=owner.account.subject, secret=secret)
    page = TotpPage(
        csrf=visit.csrf(),
        state=visit.core.sealer.seal(enrolment, _LIFETIME),
        qr_svg=qr_svg(provisioning_uri(secret, owner.account.name, visit.core.issuer)),
        secret=secret_text(secret),
        error=error,
    )
    return visit.page(page, _REFUSED if error else 200)

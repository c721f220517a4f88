"""`/account/password`: a new password, against the old one."""

from __future__ import annotations

import msgspec

from schema.events import AccountPasswordSet
from service.account_page.security_change import Change, commit_change, done, refused
from service.accounts.new_password import new_password_problem
from service.accounts.passwords import PasswordsBusy
from service.accounts.text import normal_password
from service.accounts.vault import keeping_password, kept_password
from service.browser.visit import SignedIn, Visit
from service.errors import InvalidRequest
from service.http.request import required
from service.http.response import Response
from service.journal.port import JournalUnavailable
from service.pages.models import ChangePasswordPage
from service.sessions.start import renew_session
from service.sign_in.failure import login_failed
from service.sign_in.throttle import Throttle

_READS = frozenset({"GET", "HEAD"})
_REFUSED = 400
_LONGEST = 1_024
"""No account has a longer one, and the normal form of a much longer text would take the loop's time."""


async def password(throttle: Throttle, visit: Visit, owner: SignedIn) -> Response:
    """Show the form, or take it. Raises InvalidRequest, TooManyAttempts or JournalUnavailable."""
    if not owner.account.has_password:
        raise InvalidRequest("no_password", "This account has no password that could be changed.")
    if visit.request.method in _READS:
        return _page(visit, owner)
    try:
        form = await visit.form()
        problem = await _problem(throttle, visit, owner, form)
        if problem is not None:
            return _page(visit, owner, problem)
        return await _change(visit, owner, form["new_password"])
    except PasswordsBusy:
        raise JournalUnavailable("too many passwords wait to be hashed") from None


async def _problem(throttle: Throttle, visit: Visit, owner: SignedIn, form: dict[str, str]) -> str | None:
    """What is wrong with the form, if anything; it is journalled."""
    old, new = required(form, "old_password"), required(form, "new_password")
    if not await _is_password(throttle, visit, owner, old):
        return "That is not your password."
    if new != form.get("repeat"):
        return await refused(visit, InvalidRequest("password_repeat", "The new password was not typed the same twice."))
    problem = await new_password_problem(visit.core.settings, owner.account, new)
    if problem is not None:
        await refused(visit, InvalidRequest("password_refused", "The new password cannot be one."))
        return f"The new password {problem}"
    if normal_password(new) == normal_password(old):
        return await refused(visit, InvalidRequest("password_unchanged", "That is your password already."))
    return None


async def _change(visit: Visit, owner: SignedIn, new: str) -> Response:
    """Change it. That ends every session, and this one goes on from there."""
    subject = owner.account.subject
    kept = await visit.core.passwords.hash(subject, new)
    change = Change((AccountPasswordSet(subject=subject),), vault=keeping_password(kept))
    appended = await commit_change(visit, owner, lambda _: change)
    account = msgspec.structs.replace(owner.account, sessions_after=appended.last)
    await renew_session(visit, owner, account, owner.session.amr)
    return done(visit, "password_changed")


async def _is_password(throttle: Throttle, visit: Visit, owner: SignedIn, typed: str) -> bool:
    """Whether it is the password now; a wrong one counts as a sign-in that failed."""
    core, subject = visit.core, owner.account.subject
    with throttle.attempt(visit, "pwd", subject):
        kept = await kept_password(core.journal, subject)
        if len(typed) <= _LONGEST and await core.passwords.verify(kept, typed):
            return True
        await login_failed(visit, "pwd", "wrong_password", subject=subject)
    return False


def _page(visit: Visit, owner: SignedIn, error: str = "") -> Response:
    page = ChangePasswordPage(csrf=visit.csrf(), account_name=owner.account.name, error=error)
    return visit.page(page, _REFUSED if error else 200)

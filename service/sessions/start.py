"""Starting a session, or renewing the one that the person has at this browser; either way under a fresh secret.

Only a proof that was given just now starts one. Who changed their account by the session that they have can but go on
with it: had it ended meanwhile, a new one would be signed in by nothing.
"""

from __future__ import annotations

import time
from typing import NamedTuple
from uuid import UUID

from projections.accounts import Account
from projections.sessions import Session
from schema.events import SessionRenewed, SessionStarted
from schema.streams import new_stream
from service.accounts.acr import acr_of
from service.browser.cookies import SESSION as SESSION_COOKIE
from service.browser.cookies import no_session_cookie
from service.browser.visit import SignedIn, Visit
from service.errors import InvalidRequest
from service.journal.port import JournalUnavailable, VersionConflict
from service.sessions.end import end_session
from service.tokens.handles import SESSION, new_handle

_ATTEMPTS = 10


class _Fresh(NamedTuple):
    """A session, and the secret that it has now."""

    session_id: UUID
    handle: str


async def start_session(visit: Visit, account: Account, amr: tuple[str, ...]) -> None:
    """Let the person of an account be signed in at this browser, who proved it by `amr` (RFC 8176).

    `account` is as it was when the proof was checked: where its sessions were ended since then (another password, a
    disabled account), the proof is worth nothing any more. The cookie is always a new one, so that nobody who knows
    the one before it, or put it there, is signed in with it; on return that one is dead on every worker.

    Raises InvalidRequest for a proof that was overtaken, or JournalUnavailable.
    """
    before = visit.signed_in
    if before is not None and before.account.subject != account.subject:
        await _end(visit, before.session_id, "replaced")
        before = None
    visit.exchange.acts_for(account.subject)
    renewed = await _renewed(visit, before, amr) if before else None
    await _give(visit, account, renewed or await _started(visit, account, amr))


async def renew_session(visit: Visit, before: SignedIn, account: Account, amr: tuple[str, ...]) -> None:
    """Let the session by which somebody changed their account go on, as one that `amr` proves, under a fresh secret.

    `account` is as it was when the change was committed. Raises InvalidRequest where the session ended meanwhile, or
    was given another secret, or JournalUnavailable; the change holds all the same.
    """
    visit.exchange.acts_for(account.subject)
    renewed = await _renewed(visit, before, amr, only_by=visit.request.cookies[SESSION_COOKIE])
    if renewed is None:
        visit.signed_in = None
        raise _over(await visit.core.sessions.reload(before.session_id))
    await _give(visit, account, renewed)


async def _give(visit: Visit, account: Account, fresh: _Fresh) -> None:
    """Let the browser have it, unless the proof was overtaken."""
    await _check_not_overtaken(visit, account, fresh.session_id)
    visit.start_session(fresh.handle, visit.core.settings.session_lifetime)
    visit.signed_in = SignedIn(fresh.session_id, await _session(visit, fresh.session_id), account)


async def _started(visit: Visit, account: Account, amr: tuple[str, ...]) -> _Fresh:
    session_id = new_stream()
    handle = new_handle(SESSION, session_id)
    started = _sign_in(SessionStarted, visit, account.subject, handle, amr)
    appended = await visit.exchange.append(session_id, 0, started)
    await visit.core.follower.folded(appended.last)
    return _Fresh(session_id, handle)


async def _renewed(
    visit: Visit, before: SignedIn, amr: tuple[str, ...], *, only_by: str | None = None
) -> _Fresh | None:
    """The same session under a new secret; None where it ended, or `only_by` is not its cookie any more."""
    session_id, session, account = before
    for _ in range(_ATTEMPTS):
        if session.ended or not session.version:
            return None
        if only_by is not None and not visit.core.digester.matches(only_by, session.digest):
            return None
        handle = new_handle(SESSION, session_id)
        renewed = _sign_in(SessionRenewed, visit, account.subject, handle, amr)
        try:
            appended = await visit.exchange.append(session_id, session.version, renewed)
        except VersionConflict:
            session = await visit.core.sessions.reload(session_id)
            continue
        await visit.core.follower.settled(appended.last)
        return _Fresh(session_id, handle)
    raise JournalUnavailable("the session changes too fast to be renewed")


def _sign_in(
    kind: type[SessionStarted | SessionRenewed], visit: Visit, subject: str, handle: str, amr: tuple[str, ...]
) -> SessionStarted | SessionRenewed:
    now = int(time.time())
    return kind(
        subject=subject,
        digest=visit.core.digester.digest(handle),
        auth_time=now,
        expires_at=now + visit.core.settings.session_lifetime,
        amr=amr,
        acr=acr_of(amr),
        user_agent=visit.request.user_agent,
        client_id=visit.exchange.client_id,
    )


async def _check_not_overtaken(visit: Visit, account: Account, session_id: UUID) -> None:
    now = visit.core.state.accounts.by_subject[account.subject]
    if now.enabled and now.sessions_after == account.sessions_after:
        return
    await _end(visit, session_id, "overtaken")
    raise InvalidRequest("sign_in_overtaken", "Your account was changed while you signed in. Please sign in again.")


def _over(session: Session) -> InvalidRequest:
    over = InvalidRequest("session_over", "You have been signed out meanwhile. Please sign in again.")
    if session.ended or not session.version:
        # Where it has another secret, this browser may have been given that by another answer.
        over.headers = (no_session_cookie(),)
    return over


async def _end(visit: Visit, session_id: UUID, reason: str) -> None:
    last = await end_session(visit.core, visit.exchange.context, session_id, reason)
    visit.signed_in = None
    if last is not None:
        await visit.core.follower.settled(last)


async def _session(visit: Visit, session_id: UUID) -> Session:
    return await visit.core.sessions.get(session_id) or await visit.core.sessions.reload(session_id)

"""`/account/sessions/end`: where somebody is signed in, and how they end that from afar."""

from __future__ import annotations

import time
from typing import NamedTuple
from uuid import UUID

from projections.accounts import Account
from projections.sessions import Session
from service.browser.visit import SignedIn, Visit
from service.endpoints.core import Core
from service.errors import InvalidRequest
from service.http.request import required
from service.http.response import Response
from service.pages.models import DonePage
from service.sessions.end import end_session

_REASON = "ended_by_person"
_ACCOUNT = "/account"

# Those that expired are left out here, so that years of signing in cost a page nothing. The indexes of migration 0005
# serve this query.
_LIVING = """
    SELECT started.stream FROM journal.events started
    WHERE started.type = 'session.started' AND started.data->>'subject' = $1 AND EXISTS (
        SELECT FROM journal.events signed_in
        WHERE signed_in.stream = started.stream AND signed_in.type IN ('session.started', 'session.renewed')
          AND (signed_in.data->>'expires_at')::bigint > $2
    )
    ORDER BY started.position DESC
"""


class LivingSession(NamedTuple):
    """A session that has neither ended nor expired."""

    session_id: UUID
    session: Session


async def living_sessions(core: Core, account: Account) -> list[LivingSession]:
    """Where a person is signed in, the last begun first. Raises JournalUnavailable."""
    now, living = time.time(), []
    for row in await core.journal.fetch(_LIVING, account.subject, int(now)):
        session = await core.sessions.get(row["stream"])
        if session is not None and session.alive(account, now):
            living.append(LivingSession(row["stream"], session))
    return living


async def end_sessions(visit: Visit, owner: SignedIn) -> Response:
    """End one session of the person, or all but the one that asks. Raises InvalidRequest or JournalUnavailable."""
    form = await visit.form()
    if "others" in form:
        living = await living_sessions(visit.core, owner.account)
        await _end(visit, [each.session_id for each in living if each.session_id != owner.session_id])
        return visit.redirect(f"{_ACCOUNT}?done=other_sessions_ended")
    session_id = await _own(visit.core, owner.account, required(form, "session"))
    await _end(visit, [session_id])
    if session_id != owner.session_id:
        return visit.redirect(f"{_ACCOUNT}?done=session_ended")
    visit.end_session()
    return visit.page(DonePage(title="You are signed out", message="You can close this page."))


async def _own(core: Core, account: Account, text: str) -> UUID:
    """A session of this person, alive or not. Raises InvalidRequest, the same for those of others and for none."""
    try:
        session_id = UUID(text)
    except ValueError:
        session_id = None
    session = None if session_id is None else await core.sessions.get(session_id)
    if session_id is None or session is None or session.subject != account.subject:
        raise InvalidRequest("not_your_session", "You have no such session.")
    return session_id


async def _end(visit: Visit, sessions: list[UUID]) -> None:
    """On return no worker takes their cookies any more. Raises JournalUnavailable."""
    core = visit.core
    ended = [await end_session(core, visit.exchange.context, each, _REASON) for each in sessions]
    last = max((position for position in ended if position is not None), default=None)
    await core.follower.settled(await core.journal.head() if last is None else last)

"""Ending a session, and what hangs on it: its grants as configured, and its clients are told."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

from projections.grants import Grant, Person
from schema.envelope import Context
from schema.events import SessionEnded
from service.decisions.given import hangs_on_session
from service.endpoints.core import Core
from service.grants.revoke import revoke_grant
from service.journal.people import grants_of_session
from service.journal.port import Append, JournalUnavailable, VersionConflict

_ATTEMPTS = 10
_AT_ONCE = 32
_SURELY_OVER = 60

_Given = dict[UUID, tuple[Grant, Person]]


async def end_session(core: Core, context: Context, session_id: UUID, reason: str) -> int | None:
    """Revoke what hangs on a session, commit `session.ended`, and tell its clients in the background.

    Returns the last position, None where nothing was left to end; the caller waits for it with
    `core.follower.settled` before it answers. Raises JournalUnavailable; then the session may still be alive, and
    ending it can be tried again.
    """
    # Grants go first: who fails midway still has the session, and with it the means to try again.
    given = await _given(core, session_id)
    before = await _revoke(core, context, given)
    ended = await _end(core, context, session_id, reason)
    # And once more those that were given while the session was ending.
    late = {grant_id: grant for grant_id, grant in (await _given(core, session_id)).items() if grant_id not in given}
    after = await _revoke(core, context, late)
    if ended is not None:
        _tell_clients(core, context, session_id, given | late)
    return max((position for position in (before, ended, after) if position is not None), default=None)


async def _end(core: Core, context: Context, session_id: UUID, reason: str) -> int | None:
    for _ in range(_ATTEMPTS):
        session = await core.sessions.reload(session_id)
        if session.ended or not session.version:
            return None
        ended = SessionEnded(subject=session.subject, reason=reason)
        try:
            appended = await core.journal.append(Append(session_id, session.version, (ended,), context))
        except VersionConflict:
            continue
        return appended.last
    raise JournalUnavailable("the session changes too fast to be ended")


async def _given(core: Core, session_id: UUID) -> _Given:
    """The grants that were given in a session, with who gave them, dead ones too."""
    given: _Given = {}
    for grant_id in await grants_of_session(core.journal, session_id):
        grant = await core.grants.get(grant_id)
        if grant is None or grant.person is None:
            # What memory holds is from before the person's answer.
            grant = await core.grants.reload(grant_id)
        if grant.person is not None:
            given[grant_id] = (grant, grant.person)
    return given


async def _revoke(core: Core, context: Context, given: _Given) -> int | None:
    long_ago = time.time() - _SURELY_OVER
    due = [
        grant_id
        for grant_id, (grant, person) in given.items()
        if not grant.revoked and grant.until > long_ago and hangs_on_session(person, core.settings.session_end_revokes)
    ]
    last: int | None = None
    for start in range(0, len(due), _AT_ONCE):
        some = due[start : start + _AT_ONCE]
        revoked = await asyncio.gather(*(revoke_grant(core, context, each, "session_ended") for each in some))
        last = max((position for position in revoked if position is not None), default=last)
    return last


def _tell_clients(core: Core, context: Context, session_id: UUID, given: _Given) -> None:
    """Who a session was of is told to those clients that had grants of it, not to a later one of the same id."""
    clients = core.state.access.clients
    subjects = {
        person.client_id: person.subject
        for grant, person in given.values()
        if person.client_id in clients and grant.position > clients[person.client_id].since
    }
    for client_id, subject in subjects.items():
        core.backchannel.notify(context, session_id, client_id, subject)

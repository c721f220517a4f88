"""What follows when all sessions of an account ended at once: a new password, a disabled or signed-out account.

They are over from that event on, at every worker, by its position alone (`Account.sessions_after`). What is done here
is for others to know: `session.ended` for each, its grants revoked, its clients told. One worker does it, a moment
later, whoever caused it: a page, or a command without a worker.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from uuid import UUID

from projections.accounts import SessionsEnded
from schema.envelope import Context
from schema.streams import new_stream
from service.endpoints.core import Core
from service.journal.people import sessions_of_subject
from service.journal.port import AlreadyUsed, Append, JournalUnavailable, SingleUse
from service.sessions.end import end_session

log = logging.getLogger(__name__)

_TICK = 1.0
_CLAIM = dt.timedelta(days=1)


class Aftermath:
    """Looks at what this worker folded, every second.

    What it sees first it does at the next look: who changes a password at a page has a session that goes on, and that
    is renewed right after.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._done = core.follower.loaded
        self._seen = self._done

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await asyncio.sleep(_TICK)
            try:
                await self.look()
            except JournalUnavailable as error:
                log.warning("sessions that ended are not told yet: %s", error)

    async def look(self) -> None:
        """Follow up what the look before this one saw. Raises JournalUnavailable; then it is done at a later look."""
        ended = [each for each in self._core.state.accounts.sessions_ended if each.position > self._done]
        for each in ended:
            if each.position <= self._seen:
                await self._follow_up(each)
                self._done = each.position
        self._seen = max((each.position for each in ended), default=self._seen)

    async def _follow_up(self, ended: SessionsEnded) -> None:
        try:
            await self._claim(ended.position)
        except AlreadyUsed:
            return
        for session_id in await sessions_of_subject(self._core.journal, ended.subject):
            if await self._rests_on_before(session_id, ended.position):
                await end_session(self._core, Context(), session_id, ended.event_type.replace(".", "_"))

    async def _claim(self, position: int) -> None:
        """Let no other worker do the same. Raises AlreadyUsed where one does."""
        once = SingleUse(self._core.digester.raw(f"aftermath\0{position}"), dt.datetime.now(dt.UTC) + _CLAIM)
        await self._core.journal.append(Append(new_stream(), 0, (), Context(), once))

    async def _rests_on_before(self, session_id: UUID, position: int) -> bool:
        session = await self._core.sessions.get(session_id)
        return (
            session is not None and not session.ended and session.until > time.time() and session.position <= position
        )

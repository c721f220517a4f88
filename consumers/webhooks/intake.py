"""What one webhook takes in of the journal: the events that it wants, of which some wait in memory until they are sent.

An event that this version cannot read is not taken in, nor is any after it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from consumers.webhooks.registry import Webhook
from consumers.webhooks.session import Secrets, Session
from consumers.webhooks.waiting import Waiting, WaitingEvents
from schema.envelope import RecordedEvent
from schema.events import UnknownEventType

log = logging.getLogger(__name__)

SPAN = 20_000
"""Positions that one question to the journal looks through at most, so that none takes long."""
_PAGE = 500


class Intake:
    """The events of a webhook, as far as they are taken in: up to `cursor`, None where it is not loaded yet.

    `limit` is how many may wait, `clock` gives seconds since 1970. `poison` tells of the event that cannot be read.
    """

    def __init__(self, webhook: Webhook, session: Session, clock: Callable[[], float], limit: int) -> None:
        self.waiting = WaitingEvents()
        self.cursor: int | None = None
        self.head = 0
        self.poison = ""
        self._webhook = webhook
        self._session = session
        self._clock = clock
        self._limit = limit
        self._more = False

    @property
    def short_of_more(self) -> bool:
        """Whether to load again: more waits than is held in memory, because many dead letters were put back."""
        return self._more and len(self.waiting) < self._limit // 2

    async def load(self) -> Secrets | None:
        """Begin where the webhook was left; returns its secrets. Nothing may be under way. Raises SessionLost."""
        loaded = await self._session.load(self._webhook, self._limit)
        self.waiting = WaitingEvents()
        self.cursor, self._more = loaded.cursor, loaded.more
        for waiting in loaded.waiting:
            if not self._readable(waiting.event):
                break
            self.waiting.add([waiting])
        return loaded.secrets

    def room(self) -> int:
        """How many events may be taken in now; none where few could be, for each look costs a question and a write."""
        if self.poison or self._more or self.cursor is None or self.cursor >= self.head:
            return 0
        free = self._limit - len(self.waiting)
        return min(free, _PAGE) if free > self._limit // 10 else 0

    async def take(self) -> None:
        """Take in the next events that it wants; what it does not want only moves the cursor. Raises SessionLost."""
        room = self.room()
        if room == 0 or self.cursor is None:
            return
        upto = min(self.head, self.cursor + SPAN)
        events = await self._session.read(self._webhook, self.cursor, upto, room)
        if len(events) == room:
            upto = events[-1].position
        readable = [event for event in events if self._readable(event)]
        if self.poison:
            upto = next(event.position for event in events if event not in readable) - 1
            readable = [event for event in readable if event.position <= upto]
        if readable:
            now = self._clock()
            await self._session.take(self._webhook.name, readable, upto, now)
            self.waiting.add(Waiting(event=event, since=now, due=now) for event in readable)
        self.cursor = upto

    def _readable(self, event: RecordedEvent) -> bool:
        """Whether this version knows the event; one that it does not halts the webhook, and is never skipped."""
        try:
            event.fact()
        except (UnknownEventType, msgspec.DecodeError) as error:
            if not self.poison:
                self.poison = f"event {event.position} ({event.type}) cannot be read: {type(error).__name__}"
                log.critical("webhook %s halted: %s", self._webhook.name, self.poison)
            return False
        return True

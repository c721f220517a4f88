"""Findings on their way to the journal: several at once, those of one stream one after the other, none given up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from consumers.anomalies.findings import Told

log = logging.getLogger(__name__)

LIMIT = 64

Deliver = Callable[[Told], Awaitable[None]]
"""Puts a finding's event into the journal and does what policy wants, once however often it is called for it. Raises
Undelivered where it should be tried again."""


class Undelivered(Exception):
    """A finding is not known to be in the journal, or what policy wants is not known to be done: try again."""


class Deliveries:
    """Delivers what is added. `retry` is in seconds."""

    def __init__(self, deliver: Deliver, retry: float) -> None:
        self._deliver = deliver
        self._retry = retry
        self._tasks: set[asyncio.Task[None]] = set()
        self._latest: dict[UUID, asyncio.Task[None]] = {}
        self.trouble: str | None = None

    def add(self, told: Told) -> None:
        """Deliver an event of a finding, after those of the same finding that were added before."""
        task = asyncio.create_task(self._one(told, self._latest.get(told.stream)), name="finding")
        self._tasks.add(task)
        self._latest[told.stream] = task
        task.add_done_callback(lambda done: self._done(told.stream, done))

    async def room(self) -> None:
        """Return when not too many wait."""
        while len(self._tasks) >= LIMIT:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def settled(self) -> None:
        """Return when all that was added until now is delivered."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def stop(self) -> None:
        """Leave the rest to whoever takes over."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, told: Told, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        while True:
            try:
                await self._deliver(told)
            except Undelivered as error:
                self.trouble = f"a finding waits to be told: {error}"
                log.warning("a finding of event %d waits to be told: %s", told.position, error)
            except Exception:
                self.trouble = f"a finding of event {told.position} cannot be told"
                log.exception("a finding of event %d cannot be told", told.position)
            else:
                self.trouble = None
                return
            await asyncio.sleep(self._retry)

    def _done(self, stream: UUID, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._latest.get(stream) is task:
            del self._latest[stream]

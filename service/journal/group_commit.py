"""Group commit: appends queue while a commit is in flight, and while more keep coming for some milliseconds; the next
commit takes all that wait.

The queue is bounded; each request has a deadline and an outcome of its own. A request whose deadline passes while it
waits is never sent; one that passes while its commit is in flight may still be committed, but its caller was told
that it failed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from service.journal.port import Append, Appended, JournalBusy, JournalError, JournalTimeout, JournalUnavailable

log = logging.getLogger(__name__)

Outcome = Appended | JournalError
CommitBatch = Callable[[Sequence[Append]], Awaitable[Sequence[Outcome]]]


_PATIENCE = 0.005
"""Seconds for which a commit waits at most while more keep coming."""
_SPACING = 0.005
"""Seconds from the begin of a commit of several requests to that of the next, at least."""


class _Waiting(NamedTuple):
    request: Append
    outcome: asyncio.Future[Appended]


class GroupCommit:
    """One commit at a time, of all that waits.

    `commit` makes a batch durable and returns one outcome per request in order; whatever it raises, nothing of the
    batch is known to be committed, and the next batch is tried. `limit` bounds the queue, `batch` a commit, both in
    requests; `deadline` is in seconds.
    """

    def __init__(self, commit: CommitBatch, *, limit: int, batch: int, deadline: float) -> None:
        self._commit = commit
        self._limit = limit
        self._batch = batch
        self._deadline = deadline
        self._queue: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._in_flight = 0
        self._next_at = 0.0
        self._loop = asyncio.get_running_loop()

    @property
    def depth(self) -> int:
        """How many requests wait or are in flight."""
        return len(self._queue) + self._in_flight

    def start(self) -> None:
        """Begin to commit what is submitted."""
        self._task = asyncio.create_task(self._run(), name="group-commit")

    async def stop(self) -> None:
        """Commit what waits, then end; what is submitted later is refused."""
        self._limit = 0
        self._arrived.set()
        if self._task is not None:
            await self._task

    async def submit(self, request: Append) -> Appended:
        """Commit a request with whatever else waits. Raises JournalError by its own outcome."""
        if self.depth >= self._limit:
            raise JournalBusy("the queue of waiting appends is full")
        outcome: asyncio.Future[Appended] = self._loop.create_future()
        self._queue.append(_Waiting(request, outcome))
        self._arrived.set()
        expiry = self._loop.call_later(self._deadline, _expire, outcome)
        try:
            return await outcome
        finally:
            expiry.cancel()

    async def _run(self) -> None:
        while self._limit or self._queue:
            if not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            await self._gather()
            await self._commit_next()

    async def _gather(self) -> None:
        """Wait until it is time after a commit of several, and while more come in each turn of the event loop: on a
        busy core one commit of many costs less than many of few, and all are answered sooner. For requests that come
        one after the other it is one turn.
        """
        rest = self._next_at - self._loop.time()
        if rest > 0 and len(self._queue) < self._batch:
            await asyncio.sleep(rest)
        until, seen = self._loop.time() + _PATIENCE, 0
        while len(self._queue) > seen and len(self._queue) < self._batch and self._loop.time() < until:
            seen = len(self._queue)
            await asyncio.sleep(0)

    async def _commit_next(self) -> None:
        taken = self._take()
        if not taken:
            return
        self._in_flight = len(taken)
        self._next_at = self._loop.time() + _SPACING if len(taken) > 1 else 0.0
        try:
            outcomes = await self._commit([waiting.request for waiting in taken])
        except JournalUnavailable as error:
            outcomes = [error] * len(taken)
        except Exception as error:
            log.exception("a commit failed in a way that no one foresaw")
            outcomes = [JournalUnavailable(f"the commit failed: {type(error).__name__}")] * len(taken)
        finally:
            self._in_flight = 0
        for waiting, outcome in zip(taken, outcomes, strict=True):
            _settle(waiting.outcome, outcome)

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        while self._queue and len(taken) < self._batch:
            waiting = self._queue.popleft()
            if not waiting.outcome.done():
                taken.append(waiting)
        return taken


def _settle(waiting: asyncio.Future[Appended], outcome: Outcome) -> None:
    if waiting.done():
        return
    if isinstance(outcome, JournalError):
        waiting.set_exception(outcome)
    else:
        waiting.set_result(outcome)


def _expire(waiting: asyncio.Future[Appended]) -> None:
    if not waiting.done():
        waiting.set_exception(JournalTimeout("the commit did not come within its deadline"))

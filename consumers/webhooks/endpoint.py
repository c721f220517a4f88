"""One webhook at work: sends what it took in, in order for each stream, and writes down what became of it.

What was not answered with 2xx is sent again; a process that is killed in the middle sends again what it had not written
down. So each event arrives at least once, with one `webhook-id`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from consumers.webhooks.intake import Intake
from consumers.webhooks.message import body_of, headers_of, id_of
from consumers.webhooks.registry import Webhook
from consumers.webhooks.retries import Breaker, Jitter, delay
from consumers.webhooks.sender import Answer, Sender
from consumers.webhooks.session import Report, Secrets, Session, Settled
from consumers.webhooks.waiting import Waiting
from schema.envelope import RecordedEvent

log = logging.getLogger(__name__)

Unwrap = Callable[[str, bytes], bytes | None]
"""The secret of a webhook by its name, None where it does not open."""
Disable = Callable[[Webhook], Awaitable[bool]]
"""Disables a webhook that is gone; returns whether that is done."""


class Tools(NamedTuple):
    """What every webhook needs. `attempts` is how often an event is tried, `pending_limit` how many may wait,
    `at_once` how many are under way; `clock` gives seconds since 1970.
    """

    sender: Sender
    unwrap: Unwrap
    disable: Disable
    issuer: str
    clock: Callable[[], float]
    jitter: Jitter
    attempts: int
    pending_limit: int = 1_000
    at_once: int = 8


class Endpoint:
    """The webhook as it is registered now; a change of it makes another."""

    def __init__(self, webhook: Webhook, session: Session, tools: Tools) -> None:
        self.webhook = webhook
        self._session = session
        self._tools = tools
        self._intake = Intake(webhook, session, tools.clock, tools.pending_limit)
        self._breaker = Breaker(tools.jitter)
        self._under_way: dict[asyncio.Task[Answer], Waiting] = {}
        self._awake = asyncio.Event()
        self._secrets: Secrets | None = None
        self._gone = False

    def grown(self, head: int) -> None:
        """The journal is as long as this."""
        self._intake.head = head
        self._awake.set()

    def report(self) -> Report:
        """How it is."""
        state, reason = self._state()
        return Report(self.webhook.name, state, reason, self._intake.cursor)

    async def run(self) -> None:
        """Send until cancelled. Raises SessionLost."""
        try:
            await self._load()
            while True:
                self._awake.clear()
                await self._settle()
                await self._take()
                self._launch()
                await self._rest()
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    def _state(self) -> tuple[str, str]:
        if self._intake.poison:
            return "halted", self._intake.poison
        if self._intake.cursor is not None and self._secrets is None:
            again = f"tallystick webhook rotate-secret {self.webhook.name}"
            return "halted", f"its secret is not kept, or not under this master key; for a new one: {again}"
        trouble = self._intake.waiting.trouble()
        if trouble is None:
            return ("starting", "not loaded yet") if self._intake.cursor is None else ("running", "")
        since = dt.datetime.fromtimestamp(trouble[0], dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        count = len(self._intake.waiting)
        return "degraded", f"{count} event{' waits' if count == 1 else 's wait'} since {since}: {trouble[1]}"

    async def _load(self) -> None:
        kept = await self._intake.load()
        self._secrets = kept if kept is not None and self._open(kept) else None

    def _open(self, kept: Secrets) -> list[bytes]:
        """The secrets that sign now, the newest first; none where the newest does not open."""
        newest = self._tools.unwrap(self.webhook.name, kept.wrapped)
        if newest is None:
            return []
        overlap = kept.previous is not None and (kept.previous_expire_at or 0) > self._tools.clock()
        previous = self._tools.unwrap(self.webhook.name, kept.previous) if overlap and kept.previous else None
        return [newest] if previous is None else [newest, previous]

    async def _take(self) -> None:
        if self._intake.short_of_more and not self._under_way:
            await self._load()
        await self._intake.take()

    def _launch(self) -> None:
        if self._secrets is None or self._gone:
            return
        now = self._tools.clock()
        room = self._breaker.room(now, len(self._under_way), self._tools.at_once)
        chosen = (
            self._intake.waiting.probe() if self._breaker.opened and room else self._intake.waiting.ready(now, room)
        )
        for waiting in chosen:
            waiting.busy = True
            task = asyncio.create_task(self._send(waiting.event, self._secrets), name=f"webhook-{self.webhook.name}")
            task.add_done_callback(lambda _: self._awake.set())
            self._under_way[task] = waiting

    async def _send(self, event: RecordedEvent, kept: Secrets) -> Answer:
        body = body_of(event, self._tools.issuer)
        headers = headers_of(id_of(event.position), self._tools.clock(), body, self._open(kept))
        return await self._tools.sender.send(self.webhook.url, headers, body)

    async def _rest(self) -> None:
        """Until something ended, the journal grew, or something is due."""
        if self._intake.room() > 0:
            await asyncio.sleep(0)
            return
        due = self._breaker.retry_at if self._breaker.opened else self._intake.waiting.next_due()
        idle = due is None or self._secrets is None or self._gone or len(self._under_way) >= self._tools.at_once
        seconds = None if idle or due is None else max(due - self._tools.clock(), 0.0)
        if self._breaker.opened and (self._under_way or not len(self._intake.waiting)):
            seconds = None
        # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the event.
        try:
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        except TimeoutError:
            return

    async def _settle(self) -> None:
        """Write down what became of the attempts that ended, then act upon it."""
        done = [task for task in self._under_way if task.done()]
        if not done:
            return
        now = self._tools.clock()
        ended = [(self._under_way[task], self._answer_of(task)) for task in done]
        if any(answer.gone for _, answer in ended) and await self._tools.disable(self.webhook):
            self._gone = True
        settled = self._judged(ended, now)
        await self._session.settle(self.webhook.name, settled, now)
        for task in done:
            del self._under_way[task]
        for waiting in (*settled.taken, *settled.dead):
            self._intake.waiting.done(waiting)
        for waiting in settled.failed:
            waiting.busy = False

    def _answer_of(self, task: asyncio.Task[Answer]) -> Answer:
        """What came of an attempt. A mistake of this program is a failure of that event alone, and given up in time."""
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            return task.result()
        log.error("webhook %s: an attempt failed by a mistake", self.webhook.name, exc_info=error)
        return Answer(None, f"a mistake of this program, which its log tells: {type(error).__name__}")

    def _judged(self, ended: list[tuple[Waiting, Answer]], now: float) -> Settled:
        taken: list[Waiting] = []
        failed: list[Waiting] = []
        dead: list[Waiting] = []
        recovered = False
        for waiting, answer in ended:
            if answer.taken:
                taken.append(waiting)
                recovered |= self._breaker.succeeded()
                continue
            self._breaker.failed(now, answer.wait)
            self._fail(waiting, answer, now)
            (dead if waiting.attempts >= self._tools.attempts else failed).append(waiting)
        if recovered:
            self._intake.waiting.hasten()
        return Settled(taken, failed, dead)

    def _fail(self, waiting: Waiting, answer: Answer, now: float) -> None:
        """An attempt before an event's time, or to an endpoint that is gone, is not one of those that it has."""
        due = waiting.due
        if now >= due and not self._gone:
            due = now + max(delay(waiting.attempts + 1, self._tools.jitter), answer.wait or 0.0)
        waiting.failed(now, due, answer.error)

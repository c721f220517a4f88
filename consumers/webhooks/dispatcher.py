"""Sends events to all webhooks: one dispatcher of those that run leads, the others wait to take over.

It folds the registrations from the journal, runs an endpoint for each webhook that is enabled, and tells how they are.
An endpoint that hangs, fails or halts holds up none but itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import NamedTuple

import msgspec

from consumers.webhooks.endpoint import Endpoint, Tools
from consumers.webhooks.registry import GONE, Webhook, Webhooks
from consumers.webhooks.session import Connect, Report, Session, SessionLost
from schema.events import UnknownEventType

log = logging.getLogger(__name__)

_BREATH = 0.05
"""Seconds between two looks at a journal that grows without pause: what one look costs is shared by all that came."""
_LONG_BREATH = 0.25
"""The same where no webhook is enabled: all that is looked for is whether one is registered."""
_ROUND = 0.5
_AGAIN = 1.0
_AFTER_CRASH = 5.0
_STOPPED = "it stopped by a mistake of this program, and is tried again; the log says more"


class Running(NamedTuple):
    """An endpoint at work. Its `webhook` is the registration that it was made of."""

    endpoint: Endpoint
    task: asyncio.Task[None]


class Dispatcher:
    """Runs until cancelled. `connect` opens a connection of the service's role."""

    def __init__(self, connect: Connect, tools: Tools, *, standby: float = 0.5) -> None:
        self._connect = connect
        self._tools = tools
        self._standby = standby

    async def run(self) -> None:
        """Lead whenever no other does; whatever Postgres does, try again."""
        while True:
            try:
                session = await Session.elect(self._connect, standby=self._standby)
            except SessionLost as error:
                log.warning("no webhook is sent to: %s", error)
                await asyncio.sleep(_AGAIN)
                continue
            leading = Leading(session, self._tools)
            try:
                await leading.run()
            except SessionLost as error:
                log.warning("the webhooks pause: %s", error)
            finally:
                await leading.stop()
                session.close()
            await asyncio.sleep(_BREATH)


class Leading:
    """One leadership."""

    def __init__(self, session: Session, tools: Tools) -> None:
        self._session = session
        self._tools = tools
        self._known = Webhooks()
        self._running: dict[str, Running] = {}
        self._crashed: dict[str, float] = {}
        self._poison = ""
        self._head = 0
        self._began = False
        self._reported = 0.0

    async def run(self) -> None:
        """Lead until cancelled. Raises SessionLost."""
        while True:
            self._session.grown.clear()
            await self._follow()
            if time.monotonic() - self._reported >= _ROUND:
                await self._report()
            await asyncio.sleep(_BREATH if self._running else _LONG_BREATH)
            with suppress(TimeoutError):
                async with asyncio.timeout(_ROUND):
                    await self._session.grown.wait()

    async def stop(self) -> None:
        """Stop all endpoints; what is under way is given up, and sent again by the next leader."""
        tasks = [running.task for running in self._running.values()]
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self) -> None:
        touched, self._session.touched = self._session.touched, set()
        self._head = await self._session.head()
        before = dict(self._known.by_name)
        await self._fold()
        if self._poison:
            await self.stop()
            return
        if not self._began:
            await self._session.forget_others(self._known.by_name)
            self._began = True
        for name in before.keys() | self._known.by_name.keys() | touched:
            await self._look_at(name, changed=name in touched)
        if before != self._known.by_name or touched:
            await self._report()
        for running in self._running.values():
            running.endpoint.grown(self._head)

    async def _fold(self) -> None:
        """Bring the registrations up to the head. One that cannot be read halts everything: it may forbid something."""
        for event in await self._session.registrations(self._known.position, self._head):
            try:
                self._known.apply(event.fact())
            except (UnknownEventType, msgspec.DecodeError, KeyError) as error:
                poison = f"event {event.position} ({event.type}) cannot be read: {type(error).__name__}"
                if poison != self._poison:
                    log.critical("all webhooks halted: %s", poison)
                self._poison = poison
                return
        self._known.position, self._poison = self._head, ""

    async def _look_at(self, name: str, *, changed: bool) -> None:
        """Let a webhook's endpoint be as it is registered: none, another one, or the one that runs."""
        webhook = self._known.by_name.get(name)
        running = self._running.get(name)
        if running is not None and running.task.done():
            self._ended(name, running.task)
            running = None
        if running is not None and (changed or running.endpoint.webhook != webhook):
            await self._cancel(name, running)
            running = None
        if webhook is None:
            await self._session.forget(name)
        elif webhook.enabled and running is None and self._crashed.get(name, 0.0) <= time.monotonic():
            endpoint = Endpoint(webhook, self._session, self._tools)
            task = asyncio.create_task(endpoint.run(), name=f"webhook-{name}")
            self._running[name] = Running(endpoint, task)

    async def _cancel(self, name: str, running: Running) -> None:
        del self._running[name]
        running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        """An endpoint ends by itself only where Postgres is lost or the program has a mistake. Raises SessionLost."""
        del self._running[name]
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if isinstance(error, SessionLost):
            raise error
        log.error("webhook %s stopped; it is tried again", name, exc_info=error)
        self._crashed[name] = time.monotonic() + _AFTER_CRASH

    async def _report(self) -> None:
        self._reported = time.monotonic()
        await self._session.report(list(map(self._how, self._known.by_name.values())), self._known.position)

    def _how(self, webhook: Webhook) -> Report:
        if self._poison:
            return Report(webhook.name, "halted", self._poison)
        if not webhook.enabled:
            state = "degraded" if webhook.disabled_reason == GONE else "running"
            return Report(webhook.name, state, f"disabled: {webhook.disabled_reason or 'no reason was given'}")
        running = self._running.get(webhook.name)
        if running is None:
            return Report(webhook.name, "halted", _STOPPED)
        return running.endpoint.report()

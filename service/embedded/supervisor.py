"""Keeps children alive: a dead one is started again at once; one that keeps dying ends everything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any, Protocol

from service.embedded.errors import EmbeddedError
from service.embedded.process import Child, describe_exit

MAX_EARLY_DEATHS = 5
EARLY = 3.0
"""A child that lived longer, in seconds, was killed by something else than its own start; it is not in a crash loop."""


class Managed(Protocol):
    """What is supervised.

    `start` MUST return a child that is ready for those that depend on it, or leave no process behind and raise
    EmbeddedError or OSError; it MUST NOT leave one behind when cancelled. `stop` MUST end it within a bound of its own.
    """

    @property
    def name(self) -> str:
        """What a person calls it."""

    @property
    def stop_rank(self) -> int:
        """Lower ranks are stopped first; equal ones together."""

    async def start(self) -> Child:
        """Start it."""

    async def stop(self, child: Child) -> None:
        """Stop it."""

    def last_words(self) -> str:
        """What it said that may explain its death; empty if nothing did."""


@dataclass(eq=False)
class _Kept:
    managed: Managed
    child: Child | None
    started: float = field(default_factory=time.monotonic)
    early_deaths: int = 0
    watch: asyncio.Task[None] | None = None


class Supervisor:
    """Starts, watches, restarts and stops its children. `say` is told each death, loudly."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._kept: list[_Kept] = []
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self, *managed: Managed) -> None:
        """Start these together, and watch them from then on. Raises what their `start` raises."""
        starts = [asyncio.ensure_future(self._start_one(each)) for each in managed]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for each in starts:
                each.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            raise

    async def failed(self) -> None:
        """Returns never; raises EmbeddedError once a child died early more than MAX_EARLY_DEATHS times in a row."""
        await asyncio.shield(self._failure)

    async def stop(self) -> None:
        """Stop all that run, rank by rank; what cannot be stopped in its bound is killed."""
        kept = sorted(self._kept, key=lambda each: each.managed.stop_rank)
        for each in kept:
            await self._forget(each)
        for _, group in groupby(kept, key=attrgetter("managed.stop_rank")):
            await asyncio.gather(*(self._stop_one(each) for each in group))
        self._kept.clear()

    async def _start_one(self, managed: Managed) -> None:
        kept = _Kept(managed, await managed.start())
        kept.watch = asyncio.create_task(self._watch(kept))
        kept.watch.add_done_callback(self._watch_ended)
        self._kept.append(kept)

    async def _forget(self, kept: _Kept) -> None:
        if kept.watch is not None:
            kept.watch.cancel()
            await asyncio.gather(kept.watch, return_exceptions=True)

    async def _stop_one(self, kept: _Kept) -> None:
        if kept.child is not None:
            await kept.managed.stop(kept.child)

    async def _watch(self, kept: _Kept) -> None:
        """Wait for deaths and undo them; raises EmbeddedError once there are too many."""
        while True:
            reason = await self._death(kept)
            self._count(kept, reason)
            self._say(f"RESTARTING {kept.managed.name}")

    def _watch_ended(self, watch: asyncio.Task[None]) -> None:
        error = None if watch.cancelled() else watch.exception()
        if error is not None and not self._failure.done():
            self._failure.set_exception(error)

    async def _death(self, kept: _Kept) -> str:
        """Wait for the child to end, or, if there is none, start it; returns why there is none now."""
        if kept.child is None:
            kept.started = time.monotonic()
            try:
                kept.child = await kept.managed.start()
            except (EmbeddedError, OSError) as error:
                return str(error)
            self._say(f"{kept.managed.name} is up again (pid {kept.child.pid})")
        code = await kept.child.wait()
        words = kept.managed.last_words()
        reason = f"{kept.managed.name} (pid {kept.child.pid}) DIED: {describe_exit(code)}" + (words and f"; {words}")
        kept.child = None
        return reason

    def _count(self, kept: _Kept, reason: str) -> None:
        self._say(reason)
        kept.early_deaths = kept.early_deaths + 1 if time.monotonic() - kept.started <= EARLY else 0
        if kept.early_deaths > MAX_EARLY_DEATHS:
            raise EmbeddedError(f"{kept.managed.name} died {kept.early_deaths} times in a row; at last: {reason}")


async def until_first(*awaited: Coroutine[Any, Any, None]) -> None:
    """Run these together until the first has ended, cancel the others, and raise what that first one raised."""
    tasks = [asyncio.create_task(each) for each in awaited]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        with suppress(asyncio.CancelledError):
            task.result()

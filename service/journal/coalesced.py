"""One run for all who ask at once: a caller gets the result of a run that began after it asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Generic, TypeVar

T = TypeVar("T")


class Coalesced(Generic[T]):
    """Runs `work` one at a time; whoever asks while a run is under way shares the next one."""

    def __init__(self, work: Callable[[], Coroutine[None, None, T]]) -> None:
        self._work = work
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """The result of a run that begins after this call. Raises what the run raises."""
        if self._next is None:
            if self._running is None or self._running.done():
                self._running = self._started(self._work())
                return await asyncio.shield(self._running)
            self._next = self._started(self._run_after(self._running))
        return await asyncio.shield(self._next)

    @staticmethod
    def _started(run: Coroutine[None, None, T]) -> asyncio.Task[T]:
        """A task whose failure counts as seen even when everyone who asked has given up."""
        task = asyncio.create_task(run)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def _run_after(self, before: asyncio.Task[T]) -> T:
        await asyncio.wait([before])
        self._running, self._next = self._next, None
        return await self._work()

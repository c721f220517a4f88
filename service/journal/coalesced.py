"""One run for all who ask at once: a caller gets the result of a run that began after it asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Coalesced(Generic[T]):
    """Runs `work` one at a time; whoever asks while a run is under way shares the next one."""

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """The result of a run that begins after this call. Raises what the run raises."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
            return await asyncio.shield(self._running)
        if self._next is None:
            self._next = asyncio.create_task(self._run_after(self._running))
        return await asyncio.shield(self._next)

    async def _run(self) -> T:
        return await self._work()

    async def _run_after(self, before: asyncio.Task[T]) -> T:
        await asyncio.wait([before])
        self._running, self._next = self._next, None
        return await self._work()

"""Streams that many ask for at once, such as the grants of all tokens after a restart: read together in few queries."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from itertools import islice
from uuid import UUID

from schema.envelope import RecordedEvent

_TOGETHER = 256

ReadTogether = Callable[[list[UUID]], Awaitable[list[RecordedEvent]]]
"""Reads all events of some streams, each stream's in version order. Raises JournalUnavailable."""


class StreamReads:
    """One query at a time; who asks while one is under way shares the next."""

    def __init__(self, read_together: ReadTogether) -> None:
        self._read_together = read_together
        self._waiting: dict[UUID, asyncio.Future[list[RecordedEvent]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def read(self, stream: UUID) -> list[RecordedEvent]:
        """All events of a stream in version order, as of a moment after the call. Raises JournalUnavailable."""
        answer = self._waiting.get(stream)
        if answer is None:
            answer = self._waiting[stream] = asyncio.get_running_loop().create_future()
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._run(), name="stream-reads")
        return await asyncio.shield(answer)

    async def _run(self) -> None:
        while self._waiting:
            asked = {stream: self._waiting.pop(stream) for stream in list(islice(self._waiting, _TOGETHER))}
            try:
                recorded = await self._read_together(list(asked))
            except Exception as error:  # noqa: BLE001 whatever it is, nobody waits for it in vain
                for answer in asked.values():
                    answer.set_exception(error)
                    answer.exception()  # seen, even when everyone who asked has given up
                continue
            found: defaultdict[UUID, list[RecordedEvent]] = defaultdict(list)
            for event in recorded:
                found[event.stream].append(event)
            for stream, answer in asked.items():
                answer.set_result(found[stream])

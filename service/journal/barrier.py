"""The barrier behind "a revocation is final": wait until no worker can still answer from before a position.

A worker answers from memory only within its lease (docs/adr/0003-leases.md). So after a commit at position P it is
enough that each worker with a lease has said that it folded P, or that the longest lease has run out since the
commit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

from service.journal.coalesced import Coalesced

Fetch = Callable[..., Coroutine[None, None, list[Any]]]

# Clocks are only compared with themselves: `leased_at` by the database's, the wait by ours. A reader that has been
# silent for ten leases is dead; a tenth more than a lease covers clocks that run at slightly different speeds.
_READERS = """
    SELECT id, position, lease_seconds FROM journal.readers
    WHERE leased_at > clock_timestamp() - make_interval(secs => 10 + 10 * lease_seconds)
"""
_SLACK = 1.1


class Barrier:
    """Waits for the readers of the journal, all but `own`, which the caller looks after.

    `fetch` runs a query and returns its rows; it raises JournalUnavailable.
    """

    def __init__(self, fetch: Fetch, own: UUID | None = None) -> None:
        self._readers = Coalesced(lambda: fetch(_READERS))
        self._own = own
        self._changed = asyncio.Event()

    def reader_moved(self) -> None:
        """A reader has said how far it is: look again."""
        self._changed.set()

    async def wait(self, position: int) -> None:
        """Return when no other worker can answer from before `position`. Raises JournalUnavailable."""
        began = time.monotonic()
        while True:
            self._changed.clear()
            behind = [
                reader["lease_seconds"]
                for reader in await self._readers()
                if reader["id"] != self._own and reader["position"] < position
            ]
            remaining = began + max(behind, default=0.0) * _SLACK - time.monotonic()
            if remaining <= 0:
                return
            try:
                async with asyncio.timeout(min(remaining, 0.1)):
                    await self._changed.wait()
            except TimeoutError:
                continue

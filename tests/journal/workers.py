"""Workers as far as the journal goes: a journal, the fold of it, and the follower that keeps them equal."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple
from uuid import UUID

from projections.state import WorkerState
from schema import events
from schema.envelope import RecordedEvent
from schema.streams import new_stream
from service.journal.follow import Follower
from service.journal.port import Append
from service.journal.postgres import PostgresJournal
from tests.projections.histories import issued

REVOKED = events.TokenRevoked(number=1, client_id="alpha", reason="client_request")


class Worker(NamedTuple):
    """One worker's parts."""

    journal: PostgresJournal
    state: WorkerState
    follower: Follower

    def may_answer_from_before(self, position: int) -> bool:
        """Whether it could answer now, from memory, as if what is at `position` had not happened."""
        return self.follower.fresh and self.state.position < position

    async def issue(self) -> UUID:
        """Issue a token of a new grant."""
        grant_id = new_stream()
        await self.journal.append(Append(grant_id, 0, (issued(lifetime=2_000_000_000),)))
        return grant_id

    async def revoke(self, grant_id: UUID) -> int:
        """Revoke a grant's token, without waiting for anyone; returns the position."""
        return (await self.journal.append(Append(grant_id, 1, (REVOKED,)))).last


@asynccontextmanager
async def open_worker(url: str, *, bound: float = 0.5, deadline: float = 30.0) -> AsyncIterator[Worker]:
    """A running worker. `bound` is its staleness bound, `deadline` its journal's, in seconds."""
    state = WorkerState(grant_limit=100_000)
    follower = Follower(url, state, uuid.uuid4(), bound)
    journal = PostgresJournal(url, deadline=deadline, limit=10_000, batch=100, on_committed=follower.committed)
    await journal.start()
    try:
        await follower.start(journal)
        try:
            yield Worker(journal, state, follower)
        finally:
            await follower.stop()
    finally:
        await journal.stop()


def folded(recorded: Iterable[RecordedEvent]) -> WorkerState:
    """The state that the journal's events make, from the first on."""
    state = WorkerState(grant_limit=100_000)
    for event in recorded:
        state.apply(event.fact())
    return state


async def folded_up_to(worker: Worker, position: int, seconds: float = 30.0) -> None:
    """Return once a worker's own feed has brought it to a position; fails when that takes longer."""
    async with asyncio.timeout(seconds):
        while worker.state.position < position:
            await asyncio.sleep(0.002)

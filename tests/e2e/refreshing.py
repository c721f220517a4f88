"""Two workers on one database, and what the rules of refresh tokens make of a grant's journal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple
from uuid import UUID

from schema.events import Event, GrantRevoked, TokenIssued, TokenRefreshed, TokenReuseDetected, TokenRevoked
from service.bootstrap import open_worker
from service.settings import Settings
from tests.endpoints.world import World, client_of_app, open_world


class Pair(NamedTuple):
    """Two worlds of the same parties, one a worker."""

    one: World
    two: World


@asynccontextmanager
async def open_pair(settings: Settings) -> AsyncIterator[Pair]:
    """Two running workers on one database."""
    async with (
        open_worker(settings) as first,
        open_world(first) as one,
        open_worker(settings) as second,
        client_of_app(second) as http,
    ):
        two = World(second, http)
        two.api, two.service, two.other = one.api, one.service, one.other
        yield Pair(one, two)


class Ledger:
    """The rules in their plainest form: each refresh token of a grant, by its digest, and what it is now.

    `settings` tell how long and how often a token may be used again.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.live: set[str] = set()
        self.known: set[str] = set()
        self.previous: str | None = None
        self.generation = 0
        self.rotated_at = 0
        self.retries = 0
        self.revoked = False
        self.dead: set[int] = set()

    def due(self, digest: str, now: int) -> str:
        """What the use of a token must be now: `rotate`, `retry`, `reuse`, or `revoked`."""
        if self.revoked:
            return "revoked"
        if digest in self.live:
            return "rotate"
        recent = now < self.rotated_at + self._settings.refresh_grace
        again = self.retries < self._settings.refresh_grace_retries
        return "retry" if digest == self.previous and recent and again else "reuse"

    def follow(self, event: Event) -> None:
        """Take the next event of the grant in; one that the rules do not allow here fails."""
        assert not self.revoked, event
        match event:
            case TokenIssued(refresh_digest=str(digest)):
                self._made(digest)
            case TokenRefreshed(used_digest=str(used), refresh_digest=str(digest)):
                assert self.due(used, event.issued_at) == ("retry" if event.retry else "rotate"), event
                self._retried() if event.retry else self._rotated(used, event.issued_at)
                assert self.generation == event.generation
                self._made(digest)
            case TokenReuseDetected():
                assert self.generation == event.generation
            case TokenRevoked():
                self.dead.add(event.number)
            case GrantRevoked():
                self.revoked, self.live = True, set()

    def _made(self, digest: str) -> None:
        assert digest not in self.known
        self.known.add(digest)
        self.live.add(digest)

    def _rotated(self, used: str, now: int) -> None:
        self.live, self.previous, self.rotated_at, self.retries = set(), used, now, 0
        self.generation += 1

    def _retried(self) -> None:
        self.retries += 1


async def ledger_of(world: World, grant_id: UUID) -> Ledger:
    """The ledger of a grant as its journal tells it; a journal that breaks the rules fails."""
    ledger = Ledger(world.core.settings)
    for recorded in await world.core.journal.read_stream(grant_id):
        ledger.follow(recorded.fact().event)
    return ledger

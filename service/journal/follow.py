"""A worker's feed: it folds the journal as it grows and knows how fresh it is (docs/adr/0003-leases.md).

Own commits are folded as they are committed; those of others are read from Postgres when it notifies. A lease says
until when the state may answer: it begins before the head is asked for and counts once the state has folded up to
that head. Without a lease the worker asks again, and fails closed when Postgres does not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from projections.state import WorkerState, takes_away
from schema.envelope import Fact, RecordedEvent
from service.journal.barrier import Barrier
from service.journal.coalesced import Coalesced
from service.journal.port import JournalError, JournalTimeout, JournalUnavailable
from service.journal.postgres import PostgresJournal, close, connect

log = logging.getLogger(__name__)

_PAGE = 1_000
_POSITION = re.compile(r"[0-9]{1,19}")
_LEASE = "SELECT journal.lease($1, $2, $3)"
_HALTED = "SELECT journal.halt($1, $2, $3, $4)"
_STATUS = """
    SELECT h.position AS head, r.position AS relayed, r.state, r.reason,
           extract(epoch FROM clock_timestamp() - r.seen_at)::float8 AS silent
    FROM journal.head h, journal.relay r
"""


class RelayStatus:
    """What the relay last said of itself, as this worker last read it."""

    def __init__(self) -> None:
        self.position = 0
        self.state = "starting"
        self.reason = "not read yet"
        self.silent = 0.0


class Follower:
    """Keeps a WorkerState equal to the journal.

    `reader` names this worker; `bound` is the staleness bound in seconds. `loaded` is the position that it began
    after: of what came before, it has folded the long-lived streams alone.
    """

    def __init__(self, url: str, state: WorkerState, reader: UUID, bound: float) -> None:
        self._url = url
        self._reader = reader
        self._bound = bound
        self._lease_until = 0.0
        self._behind = asyncio.Event()
        self._renewal_due = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._connection: asyncpg.Connection[Any] | None = None
        self._journal: PostgresJournal
        self.state = state
        self.relay = RelayStatus()
        self._head = 0
        self.loaded = 0
        self.poison: str | None = None
        self.barrier: Barrier
        self._catch_up = Coalesced(self._read_what_is_missing)
        self._renewal = Coalesced(self._renew)

    @property
    def fresh(self) -> bool:
        """Whether the state may answer now."""
        return time.monotonic() < self._lease_until

    @property
    def head(self) -> int:
        """The last position of the journal, as far as this worker knows."""
        return max(self._head, self.state.position)

    async def start(self, journal: PostgresJournal) -> None:
        """Load the long-lived streams, then follow. Raises JournalUnavailable; poison halts it from the start on."""
        self._journal = journal
        self.barrier = Barrier(journal.fetch, self._reader)
        recorded, head = await journal.read_entities()
        for event in recorded:
            if event.position > self.state.position:  # own commits on an empty journal were folded as they came
                self._load(event)
        self.state.position = self._head = self.loaded = max(head, self.state.position)
        if self.poison is None:
            await self.refresh()
        self._tasks = [
            asyncio.create_task(self._listen(), name="journal-listen"),
            asyncio.create_task(self._follow(), name="journal-follow"),
            asyncio.create_task(self._keep_lease(), name="journal-lease"),
        ]

    async def stop(self) -> None:
        """Give the lease up and stop following."""
        self._lease_until = 0.0
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(JournalError):
            await self._journal.fetch("SELECT journal.release($1)", self._reader)
        await close(self._connection)

    async def ensure_fresh(self) -> None:
        """Return when the state may answer. Raises JournalUnavailable when that cannot be known."""
        if self.poison is not None:
            raise JournalUnavailable(f"the feed halted: {self.poison}")
        if not self.fresh:
            await self._within_deadline(self._until_fresh)

    async def refresh(self) -> None:
        """Renew the lease, within the journal's deadline. Raises JournalUnavailable."""
        await self._within_deadline(self._renewal)

    async def _until_fresh(self) -> None:
        """Renew the lease; once more where this process had so little time that it ran out meanwhile."""
        while not self.fresh:
            await self._renewal()

    async def _within_deadline(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(self._journal.deadline):
                await work()
        except TimeoutError as error:
            raise JournalTimeout("the lease was not renewed within the deadline") from error

    def committed(self, facts: Sequence[Fact]) -> None:
        """Fold own commits. If others committed in between, the feed reads them first."""
        self._fold(facts)
        if facts and facts[-1].position > self.state.position:
            self._behind.set()

    async def folded(self, position: int) -> None:
        """Return when this worker has folded `position`. Raises JournalUnavailable."""
        while self.state.position < position:
            await self._catch_up()
            self._raise_poison()

    async def settled(self, position: int) -> None:
        """Return when this worker has folded `position` and no other can answer from before it.

        Raises JournalUnavailable.
        """
        await self.folded(position)
        await self.barrier.wait(position)

    async def _renew(self) -> None:
        if self.poison is not None:  # a halted worker holds no lease: nobody has to wait for it
            await self._journal.fetch(_HALTED, self._reader, self.state.position, self._bound, self.poison)
            self._note((await self._journal.fetch(_STATUS))[0])
            self._raise_poison()
        began = time.monotonic()
        await self._journal.fetch(_LEASE, self._reader, self.state.position, self._bound)
        status = (await self._journal.fetch(_STATUS))[0]
        self._note(status)
        if self.state.position < self.head:
            await self._catch_up()
        self._raise_poison()
        if self.state.position >= status["head"]:
            self._lease_until = began + self._bound

    def _note(self, status: Any) -> None:
        self._head = status["head"]
        self.relay.position = status["relayed"]
        self.relay.state = status["state"]
        self.relay.reason = status["reason"]
        self.relay.silent = status["silent"]

    async def _read_what_is_missing(self) -> None:
        """Read to the end of the journal. Whoever waits on another worker's barrier hears of it at once."""
        while self.poison is None:
            before = self.state.position
            page = await self._journal.read(before, _PAGE)
            facts = self._decoded(page, before + 1)
            self._fold(facts)
            if any(takes_away(fact.event) for fact in facts):
                self._renewal_due.set()
            if len(page) < _PAGE:
                return

    def _load(self, recorded: RecordedEvent) -> None:
        if self.poison is not None:
            return
        try:
            self.state.apply(recorded.fact())
        except Exception as error:  # noqa: BLE001 poison halts, whatever it raised
            self._halt(recorded.position, error)

    def _decoded(self, page: Iterable[RecordedEvent], first: int) -> list[Fact]:
        facts: list[Fact] = []
        for position, recorded in enumerate(page, start=first):
            try:
                if recorded.position != position:
                    raise LookupError(f"the journal goes on with {recorded.position}")
                facts.append(recorded.fact())
            except Exception as error:  # noqa: BLE001 whatever an unreadable event raises, it halts the feed
                self._halt(position, error)
                break
        return facts

    def _fold(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            if fact.position <= self.state.position or self.poison is not None:
                continue
            if fact.position > self.state.position + 1:
                return
            try:
                self.state.apply(fact)
            except Exception as error:  # noqa: BLE001 poison halts, whatever it raised
                self._halt(fact.position, error)

    def _halt(self, position: int, error: Exception) -> None:
        self.poison = f"event {position} cannot be folded: {type(error).__name__}: {error}"
        self._lease_until = 0.0
        log.critical("the feed halted: %s", self.poison)

    def _raise_poison(self) -> None:
        if self.poison is not None:
            raise JournalUnavailable(f"the feed halted: {self.poison}")

    async def _follow(self) -> None:
        while True:
            await self._behind.wait()
            self._behind.clear()
            with contextlib.suppress(JournalError):
                await self._catch_up()

    async def _keep_lease(self) -> None:
        while True:
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._bound / 3):
                    await self._renewal_due.wait()
            self._renewal_due.clear()
            try:
                await self.refresh()
            except JournalError as error:
                log.warning("the lease was not renewed: %s", error)

    async def _listen(self) -> None:
        """Hear of other workers' commits and leases; a lost connection is made again, and what was missed is read."""
        while True:
            lost = asyncio.Event()
            try:
                self._connection = await connect(self._url)
                self._connection.add_termination_listener(lambda *_, lost=lost: lost.set())
                await self._connection.add_listener("tallystick_journal", self._journal_grew)
                await self._connection.add_listener("tallystick_readers", self._reader_moved)
            except (JournalUnavailable, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                log.warning("not listening to Postgres: %s", error)
                await asyncio.sleep(self._bound / 4)
                continue
            self._behind.set()
            await lost.wait()

    def _journal_grew(self, _: object, pid: int, __: str, payload: object) -> None:
        """Whoever can log in can notify, of anything: what is told is a reason to look, and nothing else."""
        told = str(payload)
        known = _POSITION.fullmatch(told) is not None and int(told) <= self.state.position
        if pid != self._journal.backend_pid and not known:
            self._behind.set()

    def _reader_moved(self, *_: object) -> None:
        self.barrier.reader_moved()

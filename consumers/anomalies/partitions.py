"""Which partitions this process has: of several processes each takes its fair share, by locks in Postgres.

A process that ends, or loses its session, gives its partitions up at once; the others take them. One that comes gets
some from those that have more than their share.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from consumers.anomalies.judge import Share
from consumers.anomalies.ledger import FAILURES, NAME, Ledger, LedgerLost, connect
from consumers.anomalies.partition import SHOWN, durable_of
from consumers.connection import NatsUnavailable
from consumers.durable import remove_durables

log = logging.getLogger(__name__)

MOST = 16
_AFTER_CRASH = 5.0

# Every process holds this lock together with the others, so that each can count them.
_JOIN = "SELECT pg_advisory_lock_shared(hashtext('tallystick.anomalies.processes'), 0)"
_LOCKS = """
    SELECT l.objid::int AS number, l.classid = (hashtext('tallystick.anomalies')::bigint & 4294967295)::oid AS partition
    FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.granted
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND l.classid IN ((hashtext('tallystick.anomalies')::bigint & 4294967295)::oid,
                        (hashtext('tallystick.anomalies.processes')::bigint & 4294967295)::oid)
"""

Work = Callable[[Ledger], Awaitable[None]]
"""Works on a partition until its ledger is lost. Raises LedgerLost."""


class Partitions:
    """The partitions of one process, `parts` being those of all; `look` is in seconds."""

    def __init__(self, url: str, nats_url: str, parts: int, work: Work, *, look: float = 1.0) -> None:
        self._url = url
        self._nats_url = nats_url
        self._parts = parts
        self._work = work
        self._look = look
        self._mine: dict[int, asyncio.Task[None]] = {}
        self._crashed: dict[int, float] = {}

    @property
    def mine(self) -> tuple[int, ...]:
        """The partitions that are worked on here."""
        return tuple(sorted(self._mine))

    async def run(self) -> None:
        """Work on a fair share until cancelled."""
        try:
            while True:
                try:
                    await self._share()
                except LedgerLost as error:
                    log.warning("waiting for Postgres: %s", error)
                await asyncio.sleep(self._look)
        finally:
            await self._give_up(list(self._mine))

    async def _share(self) -> None:
        """Take and give up partitions until Postgres is lost. Raises LedgerLost."""
        connection = await connect(self._url, 10.0)
        try:
            await _asked(connection.execute(_JOIN))
            while True:
                self._reap()
                locks = await _asked(connection.fetch(_LOCKS))
                processes = sum(not lock["partition"] for lock in locks)
                fair = -(-self._parts // max(1, processes))
                await self._give_up(list(self._mine)[fair:])
                taken = {lock["number"] for lock in locks if lock["partition"]}
                free = [part for part in range(1, self._parts + 1) if part not in taken and self._is_free(part)]
                random.shuffle(free)
                for part in free[: max(0, fair - len(self._mine))]:
                    await self._take(part)
                await asyncio.sleep(self._look)
        finally:
            connection.terminate()

    async def _take(self, part: int) -> None:
        ledger = await Ledger.take(self._url, Share(part, self._parts))
        if ledger is None:
            return
        log.info("this process has partition %d of %d", part, self._parts)
        self._mine[part] = asyncio.create_task(self._until_lost(ledger), name=f"anomalies-{part}")

    async def _until_lost(self, ledger: Ledger) -> None:
        try:
            if ledger.share.part == 1:
                await self._tidy(ledger)
            await self._work(ledger)
        except LedgerLost as error:
            log.warning("partition %d is given up: %s", ledger.share.part, error)
        finally:
            ledger.close()

    async def _tidy(self, ledger: Ledger) -> None:
        """Forget the partitions of a time when there were more, and consumers of one when anybody knew their names."""
        gone = range(self._parts + 1, MOST + 1)
        await ledger.forget_progress([NAME.format(part) for part in gone])
        secret = await ledger.secret()
        names = [durable_of(part, secret) for part in gone] + [SHOWN.format(part) for part in range(1, MOST + 1)]
        with contextlib.suppress(NatsUnavailable):
            await remove_durables(self._nats_url, names)

    async def _give_up(self, parts: list[int]) -> None:
        tasks = [self._mine.pop(part) for part in parts]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _is_free(self, part: int) -> bool:
        return part not in self._mine and self._crashed.get(part, 0.0) <= time.monotonic()

    def _reap(self) -> None:
        """A partition that ended by a mistake of this program is left to other processes, then tried again."""
        for part, task in [(part, task) for part, task in self._mine.items() if task.done()]:
            del self._mine[part]
            error = None if task.cancelled() else task.exception()
            if error is not None:
                log.error("partition %d stopped; it is tried again", part, exc_info=error)
                self._crashed[part] = time.monotonic() + _AFTER_CRASH


async def _asked(answer: Awaitable[Any]) -> Any:
    try:
        async with asyncio.timeout(10.0):
            return await answer
    except TimeoutError as error:
        raise LedgerLost("Postgres did not answer within 10 s") from error
    except FAILURES as error:
        raise LedgerLost(f"Postgres: {error}") from error

"""One partition of the anomaly engine: the stream, verified, judged, told, and remembered (docs/anomalies.md).

What was judged is kept in a snapshot now and then, and only then acknowledged to JetStream: the floor of the durable
consumer says what no crash can lose. After a crash the events since then are judged again, which finds the same.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from consumers.anomalies.contract import Rule
from consumers.anomalies.deliveries import Deliver, Deliveries
from consumers.anomalies.findings import Findings
from consumers.anomalies.judge import Judge, Poison
from consumers.anomalies.ledger import Ledger, LedgerLost
from consumers.anomalies.memories import Memories
from consumers.anomalies.verify import Diverged, Verifier
from consumers.connection import NatsUnavailable
from consumers.durable import Delivered, Durable, open_durable

log = logging.getLogger(__name__)

SHOWN = "tallystick-anomalies-{}"
"""What a partition's durable consumer is called in logs; its name has a secret behind it."""


def durable_of(part: int, secret: str) -> str:
    """The name of a partition's durable consumer: who knows it could take its messages (docs/audit-stream.md)."""
    return f"{SHOWN.format(part)}-{secret}"


class Pace(NamedTuple):
    """How often what is done, in seconds: `report` is the sign of life, `recheck` after a stream that is not right."""

    report: float = 1.0
    retry: float = 0.5
    recheck: float = 2.0
    after_poison: float = 30.0
    snapshot: float = 5.0
    check: float = 5.0
    idle: float = 0.5


DEFAULT_PACE = Pace()


class Partition:
    """Judges the keys of its share while its ledger lives. `position` is that of the last event judged (0: not awake).

    `make_rules` makes fresh rules; `quiet` is after how many seconds a finding ends, `relearn` how many seconds of
    history rules learn from that have no memory.
    """

    def __init__(
        self,
        ledger: Ledger,
        nats_url: str,
        make_rules: Callable[[], Sequence[Rule]],
        deliver: Deliver,
        *,
        quiet: float,
        relearn: float,
        pace: Pace = DEFAULT_PACE,
    ) -> None:
        self._ledger = ledger
        self._nats_url = nats_url
        self._make_rules = make_rules
        self._quiet = quiet
        self._pace = pace
        self._deliveries = Deliveries(deliver, pace.retry)
        self._memories = Memories(ledger, self._deliveries, relearn=relearn, interval=pace.snapshot)
        self._name = SHOWN.format(ledger.share.part)
        self._judge: Judge
        self._verifier: Verifier
        self.position = 0
        self.state = "starting"
        self.reason = "waking"

    async def run(self) -> None:
        """Judge until the ledger is lost. Raises LedgerLost."""
        work = [
            asyncio.create_task(self._live(), name=f"{self._name}-judging"),
            asyncio.create_task(self._report(), name=f"{self._name}-report"),
            asyncio.create_task(self._ledger.lost.wait(), name=f"{self._name}-ledger"),
        ]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await self._memories.stop()
            await self._deliveries.stop()
            self._ledger.close()

    async def _live(self) -> None:
        """After poison, or a mistake of this program, it wakes again from its last snapshot, for a rule may have folded
        half of an event.
        """
        while True:
            try:
                await self._wake()
                await self._go_on()
            except LedgerLost:
                raise
            except Poison as poison:
                self._halt(str(poison))
            except Exception as error:
                log.exception("%s stopped; it is tried again", self._name)
                self._halt(f"it stopped by a mistake of this program ({type(error).__name__}); the log says more")
            await asyncio.sleep(self._pace.after_poison)

    async def _wake(self) -> None:
        await self._memories.stop()
        self._judge = Judge(self._make_rules(), Findings(self._quiet), self._ledger.share)
        self._verifier = Verifier(self._ledger, self._judge.types)
        fresh = {rule.name: rule for rule in self._make_rules()}
        await self._memories.wake(self._judge, fresh, lambda reason: self._note("starting", reason))
        self.position = self._judge.position

    async def _go_on(self) -> None:
        name = durable_of(self._ledger.share.part, await self._ledger.secret())
        while True:
            try:
                async with open_durable(self._nats_url, name, self._memories.kept, client=self._name) as durable:
                    await self._consume(durable)
            except NatsUnavailable as error:
                if self.state != "halted":
                    self._note("degraded", str(error))
                await asyncio.sleep(self._pace.retry)
            except Diverged as error:
                self._halt(str(error))
                await asyncio.sleep(self._pace.recheck)

    async def _consume(self, durable: Durable) -> None:
        checked = time.monotonic()
        last: Delivered | None = None
        while True:
            delivered = await durable.next(self._pace.idle)
            await self._take([each for each in delivered if each.sequence > self.position])
            self._note("running" if self._deliveries.trouble is None else "degraded", self._deliveries.trouble or "")
            last = delivered[-1] if delivered else last
            if last is not None and last.sequence == self.position:
                self._memories.keep_if_due(self._judge, last, durable)
            await self._deliveries.room()
            if time.monotonic() - checked >= self._pace.check:
                checked = time.monotonic()
                await durable.check()

    async def _take(self, delivered: Sequence[Delivered]) -> None:
        """Judge what the journal confirms. Raises Diverged or Poison for what comes after that."""
        if not delivered:
            return
        facts, position, problem = await self._verifier.verified(delivered, self.position)
        for fact in facts:
            for told in self._judge.judge(fact):
                self._deliveries.add(told)
        self.position = self._judge.position = position
        if problem is not None:
            raise problem

    async def _report(self) -> None:
        while True:
            await self._ledger.report(self.position or None, self.state, self.reason)
            await asyncio.sleep(self._pace.report)

    def _halt(self, reason: str) -> None:
        if (self.state, self.reason) != ("halted", reason):
            log.critical("%s halted: %s", self._name, reason)
        self._note("halted", reason)

    def _note(self, state: str, reason: str = "") -> None:
        if self.state == "halted" and state == "running":
            log.warning("%s goes on at %d", self._name, self.position)
        self.state, self.reason = state, reason
        self._memories.state, self._memories.reason = state, reason

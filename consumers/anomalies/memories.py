"""What a partition remembers from run to run: its snapshots, and where it has none, what it learns from history."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import zlib
from collections.abc import Callable, Mapping

import msgspec

from consumers.anomalies.contract import Rule
from consumers.anomalies.deliveries import Deliveries
from consumers.anomalies.history import first_since, pages
from consumers.anomalies.judge import Judge, State, decode, encode
from consumers.anomalies.ledger import Ledger
from consumers.connection import NatsUnavailable
from consumers.durable import Delivered, Durable

log = logging.getLogger(__name__)

_FIRST_START = 3_600.0
_EVENTS_BETWEEN = 100_000
_SHARE_OF_TIME = 20
_LEVEL = 1


class Memories:
    """Keeps and restores the state of a judge. `kept` is the position of the last snapshot.

    `relearn` is how many seconds of history a rule without memory learns from, `interval` the seconds between
    snapshots: more where one takes long.
    """

    def __init__(self, ledger: Ledger, deliveries: Deliveries, *, relearn: float, interval: float) -> None:
        self._ledger = ledger
        self._deliveries = deliveries
        self._relearn = relearn
        self._least = self._interval = interval
        self._keeping: asyncio.Task[None] | None = None
        self._kept_at = 0.0
        self.kept = 0
        self.state = "starting"
        self.reason = ""

    async def wake(self, judge: Judge, fresh: Mapping[str, Rule], say: Callable[[str], None]) -> None:
        """Bring a judge to where the last snapshot was taken; the first time, an hour back, so that an engine that
        starts a moment after the service misses nothing.

        What it has no memory of it learns from history, in which nothing is found. Raises LedgerLost or Poison.
        """
        found = await self._ledger.snapshot()
        state = await self._first_state() if found is None else _read(*found)
        if found is None:
            await self._write(state)  # a crash from now on loses no finding: it goes on from here
        without = judge.restore(state, fresh)
        self.kept, self._kept_at = state.position, time.monotonic()
        if without:
            await self._learn(judge, without, state.position, say)
            await self._write(judge.state())

    def keep_if_due(self, judge: Judge, last: Delivered, durable: Durable) -> None:
        """Take a snapshot after the message `last` if it is time, and acknowledge that message once it is written."""
        if self._keeping is not None:
            if not self._keeping.done():
                return
            self._keeping.result()
        events = judge.position - self.kept
        if events > 0 and (events >= _EVENTS_BETWEEN or time.monotonic() - self._kept_at >= self._interval):
            began = time.perf_counter()
            data = encode(judge.state())
            encoding = time.perf_counter() - began
            keeping = self._keep(judge.position, data, encoding, last, durable)
            self._keeping = asyncio.create_task(keeping, name="snapshot")

    async def stop(self) -> None:
        """Give up a snapshot that is under way."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self._keeping = None

    async def _keep(self, position: int, data: bytes, encoding: float, last: Delivered, durable: Durable) -> None:
        await self._deliveries.settled()  # what was found up to here must not be forgotten
        began = time.perf_counter()
        compressed = await asyncio.to_thread(zlib.compress, data, _LEVEL)
        await self._ledger.keep(position, compressed, None, self.state, self.reason)
        self._interval = max(self._least, _SHARE_OF_TIME * (encoding + time.perf_counter() - began))
        self.kept, self._kept_at = position, time.monotonic()
        with contextlib.suppress(NatsUnavailable):  # its user notices by itself
            await durable.acknowledge(last)

    async def _write(self, state: State) -> None:
        data = await asyncio.to_thread(zlib.compress, encode(state), _LEVEL)
        await self._ledger.keep(state.position, data, state.position, self.state, self.reason)

    async def _first_state(self) -> State:
        """Nothing is known: an hour before the head of the journal, or where the partitions were when there were more
        or fewer.

        Which of their findings are this one's is not known; the others of them end by themselves.
        """
        others = [_read(*found) for found in await self._ledger.snapshots_of_others()]
        if not others:
            head = await self._ledger.head()
            end = await self._ledger.time_at(head) or time.time()
            return State(position=await first_since(self._ledger, end - _FIRST_START, head) - 1)
        findings = {finding.stream: finding for other in others for finding in other.findings}
        return State(position=min(other.position for other in others), findings=list(findings.values()))

    async def _learn(self, judge: Judge, names: frozenset[str], until: int, say: Callable[[str], None]) -> None:
        end = await self._ledger.time_at(until) or time.time()
        first = await first_since(self._ledger, end - self._relearn, until)
        log.info("learning from the events %d to %d: %s", first, until, ", ".join(sorted(names)))
        async with contextlib.aclosing(pages(self._ledger, first - 1, until, judge.types)) as history:
            async for page in history:
                say(f"learning from history: at event {page.end} of {until}")
                for fact in page:
                    judge.learn(fact, names)
        judge.position = until


def _read(position: int, data: bytes) -> State:
    """A snapshot; one that cannot be read says where it was, and nothing else."""
    try:
        state = decode(zlib.decompress(data))
    except (zlib.error, msgspec.DecodeError) as error:
        log.warning("the snapshot at %d cannot be read, its rules learn anew: %s", position, error)
        return State(position=position)
    state.position = position
    return state

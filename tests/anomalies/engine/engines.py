"""Engines that a test starts, stops and crashes, and what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import asyncpg
import msgspec

from consumers.anomalies.contract import Rule, Signal
from consumers.anomalies.deliveries import Deliver
from consumers.anomalies.judge import Share
from consumers.anomalies.ledger import Ledger
from consumers.anomalies.partition import Pace, Partition
from schema.envelope import Context, Fact, RecordedEvent
from schema.events import AccessRejected, AnomalyAcknowledged, AnomalyAnswered, AnomalyDetected, AnomalyExtended, Event
from schema.streams import new_stream
from service.anomalies.deeds import Deeds
from service.anomalies.policy import Policy
from service.anomalies.telling import Teller
from service.journal.port import Append
from service.journal.postgres import PostgresJournal
from tests.relay.support import until
from tests.servers import Database

BRISK = Pace(report=0.1, retry=0.05, recheck=0.2, after_poison=0.3, snapshot=0.05, check=0.2, idle=0.05)
NEVER_KEPT = BRISK._replace(snapshot=3_600.0)
MONTH = 2_592_000.0
NO_POLICY: Policy = {}


class Threes:
    """A rule for tests: from the third refusal of a source on, each speaks. It chokes on the error `poison`."""

    name = "threes"
    technique = "T1110"
    types: frozenset[type[Event]] = frozenset({AccessRejected})

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def keys(self, fact: Fact) -> Iterable[str]:
        """The source, and the client."""
        return () if fact.source is None else (f"source {fact.source}",)

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Count."""
        event = fact.event
        assert isinstance(event, AccessRejected)
        if event.error == "poison":
            raise ValueError("it is poison")
        count = self.counts[key] = self.counts.get(key, 0) + 1
        if count < 3:
            return ()
        return (
            Signal(
                rule=self.name,
                about=key,
                severity="medium",
                technique=self.technique,
                summary=f"{count} refusals of {key}.",
                position=fact.position,
                at=fact.recorded_at.timestamp(),
                sources=(fact.source or "",),
                client_id=event.client_id,
                count=count,
                evidence=(fact.position,),
            ),
        )

    def acknowledged(self, about: str) -> None:
        """It begins anew."""
        self.counts.pop(about, None)

    def state(self) -> Any:
        """The counts."""
        return self.counts

    def restore(self, state: Any) -> None:
        """The counts."""
        self.counts = msgspec.convert(state, dict[str, int])

    def forget(self, now: float) -> None:
        """Nothing is forgotten."""


class Engines:
    """Starts engines on one database and one NATS server."""

    def __init__(self, database: Database, nats_url: str, journal: PostgresJournal) -> None:
        self._database = database
        self._nats_url = nats_url
        self._journal = journal
        self._running: dict[int, tuple[Partition, asyncio.Task[None]]] = {}

    async def start(
        self,
        part: int = 1,
        parts: int = 1,
        *,
        make_rules: Callable[[], Sequence[Rule]] = lambda: [Threes()],
        policy: Policy = NO_POLICY,
        deliver: Deliver | None = None,
        pace: Pace = BRISK,
    ) -> Partition:
        """An engine of one partition that runs."""
        url = self._database.service_url
        ledger = await self._ledger(Share(part, parts))
        teller = Teller(self._journal, Deeds(url, self._journal), policy)
        partition = Partition(
            ledger, self._nats_url, make_rules, deliver or teller.deliver, quiet=3_600.0, relearn=MONTH, pace=pace
        )
        self._running[part] = (partition, asyncio.create_task(partition.run()))
        return partition

    async def _ledger(self, share: Share) -> Ledger:
        while True:  # one that was crashed a moment ago may still have its session
            ledger = await Ledger.take(self._database.service_url, share)
            if ledger is not None:
                return ledger
            await asyncio.sleep(0.01)

    async def crash(self, part: int = 1) -> None:
        """End an engine in the middle of what it does."""
        _, task = self._running.pop(part)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def stop(self) -> None:
        """End all; fails if one died of a mistake."""
        outcomes = []
        for part, (_, task) in list(self._running.items()):
            if task.done():
                outcomes.append(task)
            await self.crash(part)
        assert outcomes == []

    async def refuse(
        self, source: str, times: int = 1, *, error: str = "invalid_client", client: str | None = None
    ) -> int:
        """Journal refusals of a source; returns the position of the last."""
        event = AccessRejected(endpoint="token", error=error, reason="bad_secret", status=401, client_id=client)
        appended = [
            await self._journal.append(Append(new_stream(), 0, (event,), Context(source=source))) for _ in range(times)
        ]
        return appended[-1].last

    async def judged(self, partition: Partition) -> None:
        """Return once an engine has judged all that the journal holds now, and has told what it found."""
        head = await self._journal.head()
        await until(lambda: partition.position >= head)
        await partition._deliveries.settled()

    async def told(self) -> list[tuple[str, str, int]]:
        """What the journal holds of findings: type, about, count."""
        rows = await self.sql(
            "SELECT position, stream, version, type, client, data::text AS data, actor, source, trace, recorded_at"
            " FROM journal.events WHERE type LIKE 'anomaly.%' ORDER BY position"
        )
        return [_short(RecordedEvent.from_row(row).fact().event) for row in rows]

    async def progress(self, part: int = 1) -> tuple[int, str, str]:
        """Position, state and reason, as readiness sees them."""
        rows = await self.sql("SELECT * FROM projection.progress WHERE name = $1", f"anomalies-{part}")
        return (rows[0]["position"], rows[0]["state"], rows[0]["reason"]) if rows else (0, "", "")

    async def secret(self) -> str:
        """What the names of consumers hold that nobody else knows."""
        return str((await self.sql("SELECT secret FROM projection.anomaly_consumers"))[0]["secret"])

    async def sql(self, query: str, *arguments: object) -> list[Any]:
        """Run a query as the owner of the schema."""
        connection = await asyncpg.connect(self._database.owner_url)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()


def _short(event: Event) -> tuple[str, str, int]:
    if isinstance(event, AnomalyDetected | AnomalyExtended):
        return event.TYPE, event.about, event.count
    if isinstance(event, AnomalyAnswered):
        return event.TYPE, f"{event.response} {event.target}", int(event.done)
    assert isinstance(event, AnomalyAcknowledged)
    return event.TYPE, event.note, 0

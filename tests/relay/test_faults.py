"""The fault table of the relay: each durable step × lost, persisted but unacknowledged, slow.

A fault hits the second call of its step and once only. Afterwards journal and stream are compared completely.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

import pytest

from consumers.connection import NatsUnavailable
from schema.envelope import RecordedEvent
from service.journal.leader import Leader
from service.journal.port import JournalUnavailable
from service.journal.postgres import PostgresJournal
from service.journal.stream import Message, More, Stream
from tests.nats_server import NatsServer
from tests.relay.support import Relays, append, until

STEPS = ("elect", "read", "publish", "publish_one", "report", "info", "get", "create")
KINDS = ("lost", "unacknowledged", "slow")


class Fault:
    """One fault: `lost` does nothing, `unacknowledged` does all, `slow` does it after the relay has given up."""

    planned: ClassVar[Fault | None] = None

    def __init__(self, step: str, kind: str) -> None:
        self.step = step
        self.kind = kind
        self.calls = 0
        self.late: list[asyncio.Task[Any]] = []

    def hits(self, step: str) -> bool:
        """Whether this call of a step is the one; the stream is made only once, so there it is the first."""
        if step != self.step:
            return False
        self.calls += 1
        return self.calls == (1 if step in {"create", "elect"} else 2)

    async def strike(self, act: Callable[[], Awaitable[Any]]) -> None:
        """Do of the act what the kind lets through."""
        if self.kind == "unacknowledged":
            await act()
        elif self.kind == "slow":
            self.late.append(asyncio.ensure_future(_later(act)))


async def _later(act: Callable[[], Awaitable[Any]]) -> None:
    await asyncio.sleep(0.3)
    await act()


class FaultyLeader(Leader):
    """Fails as a lost session does: the leadership goes with it."""

    async def read(self, after: int, limit: int) -> list[RecordedEvent]:
        """Read, or lose the session."""
        await self._maybe("read", lambda: super(FaultyLeader, self).read(after, limit))
        return await super().read(after, limit)

    async def report(self, position: int, state: str, reason: str) -> None:
        """Report, or lose the session."""
        await self._maybe("report", lambda: super(FaultyLeader, self).report(position, state, reason))
        await super().report(position, state, reason)

    @classmethod
    async def elect(cls, url: str, *, timeout: float = 5.0, standby: float = 0.2) -> Leader:
        """Become the leader, and lose it at once."""
        leader = await super().elect(url, timeout=timeout, standby=standby)
        fault = Fault.planned
        if fault is not None and fault.hits("elect"):
            leader.close()
            if fault.kind != "unacknowledged":
                raise JournalUnavailable("the fault")
        return leader

    async def _maybe(self, step: str, act: Callable[[], Awaitable[Any]]) -> None:
        fault = Fault.planned
        if fault is None or not fault.hits(step):
            return
        if fault.kind == "unacknowledged":
            await act()
        elif fault.kind == "slow":
            await self._ask(self._connection.execute, "SELECT pg_sleep(60)")
        self.close()
        raise JournalUnavailable("the fault")


class FaultyStream(Stream):
    """Fails as a lost connection or a lost answer does; what is slow is done behind the relay's back."""

    url: ClassVar[str]

    async def info(self) -> Any:
        """Look, or lose the answer."""
        await self._maybe("info", lambda stream: stream.info())
        return await super().info()

    async def get(self, sequence: int) -> Any:
        """Get, or lose the answer."""
        await self._maybe("get", lambda stream: stream.get(sequence))
        return await super().get(sequence)

    async def create(self, first: int, replicas: int) -> None:
        """Create, or lose the request or the answer."""
        await self._maybe("create", lambda stream: stream.create(first, replicas))
        await super().create(first, replicas)

    async def publish(self, messages: Sequence[Message], after: int, more: More | None = None) -> int:
        """Publish, or lose the batch or its acknowledgement, or let it come late, when it may be refused."""
        step = "publish" if len(messages) > 1 else "publish_one"
        await self._maybe(step, lambda stream: stream.publish(messages, after))
        return await super().publish(messages, after, more)

    async def _maybe(self, step: str, act: Callable[[Stream], Awaitable[Any]]) -> None:
        fault = Fault.planned
        if fault is not None and fault.hits(step):
            await fault.strike(lambda: _by_another(self.url, act))
            raise NatsUnavailable("the fault")


async def _by_another(url: str, act: Callable[[Stream], Awaitable[Any]]) -> None:
    stream = await Stream.connect(url)
    try:
        await act(stream)
    finally:
        await stream.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", STEPS)
async def test_no_fault_loses_or_repeats_an_event(
    journal: PostgresJournal, relays: Relays, nats: NatsServer, monkeypatch: pytest.MonkeyPatch, step: str, kind: str
) -> None:
    """After the fault the relay runs again, and the stream holds every event once, at its position."""
    fault = Fault(step, kind)
    monkeypatch.setattr(Fault, "planned", fault)
    monkeypatch.setattr(FaultyStream, "url", nats.url, raising=False)
    monkeypatch.setattr("service.journal.relay.BATCH", 200)  # so that there are two
    await append(journal, 150)
    relay = relays.start(leader=FaultyLeader, stream=FaultyStream, timeout=1.0)

    async def has_struck() -> bool:
        await append(journal, 1)
        return fault.calls > 1 or (fault.calls == 1 and step in {"create", "elect"})

    await until(has_struck)
    last = (await append(journal, 150)).last
    await until(lambda: relay.position == last and relay.state == "running")
    await asyncio.gather(*fault.late, return_exceptions=True)
    report = await relays.whole()
    assert (report.listed, report.stream_last) == ([], last)
    assert relay.recreated == 0

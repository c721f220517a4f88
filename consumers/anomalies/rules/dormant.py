"""A client that nobody used for weeks, and then somebody does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Kept, Keyed, lasting, moment_of
from consumers.anomalies.origins import software_of
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import Event, Severity, TokenIssued, TokenRefreshed
from schema.networks import network_of

_DAY = 86_400.0
_YEAR = 365 * _DAY
_LONGER = 2.5


class _Client(Kept):
    COUNTS: ClassVar[tuple[str, ...]] = ()
    last: float = 0.0
    longest: float = 0.0
    network: str = ""
    software: str = ""


class DormantClient(Keyed[_Client]):
    """A silence longer than `asleep`, and far longer than any that the client had before."""

    name = "dormant_client"
    technique = "T1078.004"
    types: frozenset[type[Event]] = frozenset({TokenIssued, TokenRefreshed})
    shape = _Client

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds.kept_clients, 2 * _YEAR)
        self._asleep = float(thresholds.asleep)

    def keys(self, fact: Fact) -> Iterable[str]:
        """The client."""
        return (f"client {fact.event.client_id}",)  # type: ignore[attr-defined]

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Speak at the first use after a long sleep."""
        event, at = fact.event, moment_of(fact.recorded_at)
        client = self.recall(key, at)
        slept, client.last = at - client.last, at
        if slept < _DAY:
            return ()
        return self._woke(key, client, event, slept, fact)

    def _woke(self, key: str, client: _Client, event: Event, slept: float, fact: Fact) -> Iterable[Signal]:
        agent = event.user_agent if isinstance(event, (TokenIssued, TokenRefreshed)) else None
        network, software = network_of(fact.source or ""), software_of(agent)
        first = slept == moment_of(fact.recorded_at)
        changed = network != client.network or software != client.software
        client.network, client.software = network, software
        if first:
            return ()
        woke = slept >= max(self._asleep, _LONGER * client.longest)
        client.longest = max(client.longest, slept)
        if not woke:
            return ()
        severity: Severity = "medium" if changed else "low"
        name, where = key.removeprefix("client "), f" from {fact.source}" if fact.source else ""
        summary = f"{name} was used again{where} after {lasting(slept)} of silence."
        sources = (fact.source,) if fact.source else ()
        return (self.signal(fact, key, severity, summary, client_id=name, sources=sources),)

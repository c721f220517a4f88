"""One grant whose tokens come from many networks within a short time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Distinct, Kept, Keyed, Trail, grant_key, lasting, moment_of
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import Event, Severity, TokenRefreshed, TokenSourceObserved
from schema.networks import network_of

_DAY = 86_400.0


class _Grant(Kept):
    COUNTS: ClassVar[tuple[str, ...]] = ("networks", "trail")
    networks: Distinct = msgspec.field(default_factory=Distinct)
    trail: Trail = msgspec.field(default_factory=Trail)


class TokenManySources(Keyed[_Grant]):
    """Networks in which the tokens of one grant were used or refreshed."""

    name = "token_many_sources"
    technique = "T1550.001"
    types: frozenset[type[Event]] = frozenset({TokenRefreshed, TokenSourceObserved})
    shape = _Grant

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds.kept_keys, _DAY)
        self._networks = thresholds.grant_networks
        self._window = float(thresholds.grant_window)

    def keys(self, fact: Fact) -> Iterable[str]:
        """The grant."""
        event = fact.event
        if type(event) is TokenSourceObserved:
            return (f"grant {event.token_id.rpartition('.')[0]}",)
        return (grant_key(fact.stream),) if fact.source else ()

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Count different networks."""
        event, at = fact.event, moment_of(fact.recorded_at)
        if type(event) is TokenSourceObserved:
            source = event.source
        elif type(event) is TokenRefreshed:
            source = fact.source or ""
        else:
            return ()
        grant = self.recall(key, at)
        networks = grant.networks.add(network_of(source), at, self._window, 4 * self._networks)
        grant.trail.add(fact, at, self._window, 1, source)
        if networks < self._networks:
            return ()
        severity: Severity = "high" if networks >= 2 * self._networks else "medium"
        summary = (
            f"Tokens of one grant of {event.client_id} came from {networks} networks within {lasting(self._window)}."
        )
        named = {"client_id": event.client_id, "subject": event.subject, "grant_id": key.removeprefix("grant ")}
        return (self.signal(fact, key, severity, summary, **named, **grant.trail.evidence()),)

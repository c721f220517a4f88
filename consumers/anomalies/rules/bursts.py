"""More tokens, or more introspections, than a client ever has at this hour of the week."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar
from uuid import UUID

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Kept, Keyed, Trail, moment_of
from consumers.anomalies.season import HOUR, Measure, Season
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import AccessRejected, Event, Severity, TokenIssued, TokenRefreshed, UsageRecorded

_QUARTER = 7_776_000.0
_EVIDENCE = 10
_GRANTS = 256
_SOONEST, _LATEST = 0.5, 3.0
_UNKNOWN = frozenset({"token_unknown", "token_malformed", "token_of_other_audience"})


class _Client(Kept):
    """`grants` are those that had a token of late, with when, the longest ago first."""

    COUNTS: ClassVar[tuple[str, ...]] = ("trail", "positions")
    grants: dict[UUID, float] = msgspec.field(default_factory=dict)
    season: Season = msgspec.field(default_factory=Season)
    trail: Trail = msgspec.field(default_factory=Trail)
    positions: list[int] = msgspec.field(default_factory=list)

    def begin_anew(self) -> None:
        """Let go of what was too much."""
        super().begin_anew()
        self.season.begin_anew()


class _Burst(Keyed[_Client]):
    """What the two rules share: a season for each key, and the sentence."""

    technique = "T1499.002"
    shape = _Client

    def __init__(self, thresholds: Thresholds, deviations: float, floor: float) -> None:
        super().__init__(thresholds.kept_clients, _QUARTER)
        ratio, peak = thresholds.burst_ratio, thresholds.burst_peak
        self._measure = Measure(ratio, deviations, floor, peak, thresholds.warm_up // HOUR)

    def _count(self, key: str, weight: int, what: str, fact: Fact, measure: Measure) -> Iterable[Signal]:
        at = moment_of(fact.recorded_at)
        return self._add(self.recall(key, at), at, key, weight, what, fact, measure)

    def _add(
        self, client: _Client, at: float, key: str, weight: int, what: str, fact: Fact, measure: Measure
    ) -> Iterable[Signal]:
        client.positions.append(fact.position)
        if len(client.positions) > _EVIDENCE:
            del client.positions[0]
        if not client.season.add(at, weight, measure):
            return ()
        client.trail.add(fact, at, HOUR, 1)
        positions = tuple(client.positions)
        season, name = client.season, key.partition(" ")[2]
        lately, usual = season.lately(at), season.usual
        severity: Severity = "high" if lately > 3 * season.limit else "medium"
        had = (
            f"{season.quarter:.0f} {what} within fifteen minutes"
            if season.is_sudden()
            else f"{lately:.0f} {what} within about an hour"
        )
        summary = f"{name} had {had}; usual in an hour at this time are about {usual:.0f}."
        named = client.trail.evidence() | {"count": max(len(positions), round(lately)), "evidence": positions}
        return (self.signal(fact, key, severity, summary, client_id=name, **named),)


class IssuanceBurst(_Burst):
    """Tokens issued and refreshed.

    A grant that goes on is one thing, however long: that its token is renewed in time is not counted. Who refreshes
    much sooner than the token's lifetime asks for, or comes back later, is. The latest 256 grants are known.
    """

    name = "issuance_burst"
    types: frozenset[type[Event]] = frozenset({TokenIssued, TokenRefreshed})

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds, thresholds.issuance_deviations, thresholds.issuance_floor)
        self._measure = msgspec.structs.replace(
            self._measure, moment=float(thresholds.issuance_moment), closing=thresholds.issuance_closing
        )

    def keys(self, fact: Fact) -> Iterable[str]:
        """The client."""
        return (f"client {fact.event.client_id}",)  # type: ignore[attr-defined]

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Count one token."""
        at = moment_of(fact.recorded_at)
        client = self.recall(key, at)
        return () if _goes_on(client.grants, fact, at) else self._add(client, at, key, 1, "tokens", fact, self._measure)


def _goes_on(grants: dict[UUID, float], fact: Fact, at: float) -> bool:
    """Whether a grant's token is renewed about when its lifetime is over. The grant is now the latest of `grants`."""
    event = fact.event
    if type(event) is TokenIssued and event.grant_type == "client_credentials":
        return False
    before = grants.pop(fact.stream, None)
    grants[fact.stream] = at
    if len(grants) > _GRANTS:
        del grants[next(iter(grants))]
    if type(event) is not TokenRefreshed or before is None:
        return False
    lifetime = event.expires_at - event.issued_at
    return _SOONEST * lifetime <= at - before <= _LATEST * lifetime


class IntrospectionBurst(_Burst):
    """Introspections of a client's tokens, and those of an API that asks for tokens that there are not."""

    name = "introspection_burst"
    types: frozenset[type[Event]] = frozenset({UsageRecorded, AccessRejected})

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds, thresholds.introspection_deviations, thresholds.introspection_floor)
        self._of_nothing = msgspec.structs.replace(self._measure, floor=float(thresholds.inactive_floor))

    def keys(self, fact: Fact) -> Iterable[str]:
        """The client whose tokens they are; of unknown tokens the API that asks."""
        event = fact.event
        if type(event) is UsageRecorded:
            return (f"client {event.client_id}",)
        if type(event) is not AccessRejected or event.endpoint != "introspect" or event.reason not in _UNKNOWN:
            return ()
        return (f"introspector {event.client_id}",) if event.client_id else ()

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Count a minute's introspections, or one of nothing."""
        event = fact.event
        if type(event) is UsageRecorded:
            introspections = sum(kind.count for kind in event.introspections)
            return self._count(key, introspections, "introspections", fact, self._measure)
        return self._count(key, 1, "introspections of unknown tokens", fact, self._of_nothing)

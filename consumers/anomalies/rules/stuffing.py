"""Names and passwords of a breach elsewhere, tried once each from many networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Distinct, Kept, Keyed, Trail, lasting, moment_of
from consumers.anomalies.rules.password_spray import account_of
from consumers.anomalies.season import HOUR, Measure, Season
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import Event, LoginFailed
from schema.networks import network_of

_MONTH = 2_592_000.0
_YEAR = 31_536_000.0
_NAMES = 8_192
_NETWORKS = 512


class _SignIn(Kept):
    COUNTS: ClassVar[tuple[str, ...]] = ("networks", "trail")
    unknown: Season = msgspec.field(default_factory=Season)
    failing: Season = msgspec.field(default_factory=Season)
    names: Distinct = msgspec.field(default_factory=Distinct)
    networks: Distinct = msgspec.field(default_factory=Distinct)
    trail: Trail = msgspec.field(default_factory=Trail)

    def begin_anew(self) -> None:
        """Let go of what was too much; names that failed within the month stay known."""
        super().begin_anew()
        self.unknown.begin_anew()
        self.failing.begin_anew()


class CredentialStuffing(Keyed[_SignIn]):
    """More different names fail than is usual at this hour of the week, from many networks."""

    name = "credential_stuffing"
    technique = "T1110.004"
    types: frozenset[type[Event]] = frozenset({LoginFailed})
    shape = _SignIn

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(1, _YEAR)
        warm, floor = thresholds.warm_up // HOUR, thresholds.stuffing_floor
        ratio, deviations = thresholds.stuffing_ratio, thresholds.stuffing_deviations
        self._unknown = Measure(ratio, deviations, floor, 1.0, warm)
        self._failing = Measure(ratio, deviations, 2 * floor, 1.0, warm)
        self._networks = thresholds.stuffing_networks

    def keys(self, fact: Fact) -> Iterable[str]:
        """All sign-ins are one thing."""
        event = fact.event
        return ("sign-in",) if type(event) is LoginFailed and event.method == "pwd" else ()

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Count names that did not fail within the month already."""
        event, at = fact.event, moment_of(fact.recorded_at)
        if type(event) is not LoginFailed or (account := account_of(event)) is None:
            return ()
        kept = self.recall(key, at)
        fresh = account not in kept.names.seen
        kept.names.add(account, at, _MONTH, _NAMES)
        networks = kept.networks.add(network_of(fact.source or ""), at, HOUR, _NETWORKS)
        kept.trail.add(fact, at, HOUR, 1)
        strange = kept.unknown.add(at, float(fresh and event.subject is None), self._unknown)
        many = kept.failing.add(at, float(fresh), self._failing)
        if not (strange or many) or networks < self._networks:
            return ()
        number = kept.unknown.lately(at) if strange else kept.failing.lately(at)
        of_what = "names that are nobody's" if strange else "names"
        summary = f"Sign-in failed for {number:.0f} {of_what} from {networks} networks within {lasting(HOUR)}."
        return (self.signal(fact, key, "high", summary, **kept.trail.evidence()),)

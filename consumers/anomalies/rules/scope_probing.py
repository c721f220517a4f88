"""Somebody who tries what a client may do: different scopes, resources or grant types, all refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Distinct, Kept, Keyed, Trail, lasting, moment_of
from consumers.anomalies.origins import site_of
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import AccessRejected, Event, Severity

_REFUSED = frozenset(
    {
        "scope_not_allowed",
        "scope_not_granted",
        "resource_not_allowed",
        "resource_not_granted",
        "unknown_resource",
        "grant_not_allowed",
        "unsupported_grant_type",
        "not_an_introspector",
        "token_of_other_audience",
        "scope_without_openid",
        "insufficient_scope",
    }
)


class _Prober(Kept):
    COUNTS: ClassVar[tuple[str, ...]] = ("asked", "trail")
    asked: Distinct = msgspec.field(default_factory=Distinct)
    trail: Trail = msgspec.field(default_factory=Trail)


class ScopeProbing(Keyed[_Prober]):
    """Different things that are refused; a mistake in a configuration asks for the same again and again."""

    name = "scope_probing"
    technique = "T1526"
    types: frozenset[type[Event]] = frozenset({AccessRejected})
    shape = _Prober

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds.kept_keys, thresholds.long_window)
        self._window = float(thresholds.long_window)
        self._scopes = thresholds.probed_scopes

    def keys(self, fact: Fact) -> Iterable[str]:
        """The client, else the address."""
        event = fact.event
        if type(event) is not AccessRejected or event.reason not in _REFUSED:
            return ()
        if event.client_id:
            return (f"client {event.client_id}",)
        return (f"source {site_of(fact.source)}",) if fact.source else ()

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Count different refusals."""
        event, at = fact.event, moment_of(fact.recorded_at)
        if type(event) is not AccessRejected:
            return ()
        prober = self.recall(key, at)
        asked = prober.asked.add(f"{event.reason} {event.detail}", at, self._window, 4 * self._scopes)
        prober.trail.add(fact, at, self._window, 1)
        if asked < self._scopes:
            return ()
        severity: Severity = "medium" if asked >= 2 * self._scopes else "low"
        who, over = event.client_id or key.removeprefix("source "), lasting(max(at - prober.trail.began, 1))
        summary = f"{who} asked for {asked} different things that it may not have, within {over}."
        return (self.signal(fact, key, severity, summary, client_id=event.client_id, **prober.trail.evidence()),)

"""Tokens of many people that come from one address: a hoard of stolen ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Distinct, Kept, Keyed, Trail, lasting, moment_of
from consumers.anomalies.origins import site_of
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import Event, SessionStarted, Severity, TokenIssued, TokenRefreshed, TokenSourceObserved

_MONTH = 2_592_000.0


class _Source(Kept):
    """`used` are people whose tokens came from here of late, `at_home` those who got tokens or signed in here."""

    COUNTS: ClassVar[tuple[str, ...]] = ("used", "trail")
    used: Distinct = msgspec.field(default_factory=Distinct)
    at_home: Distinct = msgspec.field(default_factory=Distinct)
    trail: Trail = msgspec.field(default_factory=Trail)
    back_end_at: float = float("-inf")


class ManySubjectsOneSource(Keyed[_Source]):
    """People whose access tokens are used at an address where they neither got tokens nor signed in within a month.

    An office, a hotel or a phone company has many people behind one address too, but they also get tokens there; and
    the back end of an application holds those of its people. Who uses stolen refresh tokens is found by their reuse.
    """

    name = "many_subjects_one_source"
    technique = "T1539"
    types: frozenset[type[Event]] = frozenset({TokenIssued, TokenRefreshed, TokenSourceObserved, SessionStarted})
    shape = _Source

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds.kept_keys, _MONTH)
        self._subjects = thresholds.shared_subjects
        self._window = float(thresholds.shared_window)

    def keys(self, fact: Fact) -> Iterable[str]:
        """The address."""
        event = fact.event
        if type(event) is TokenSourceObserved:
            return (f"source {site_of(event.source)}",) if event.subject != event.client_id else ()
        if fact.source is None or (type(event) is TokenIssued and event.subject == event.client_id):
            return ()
        return (f"source {site_of(fact.source)}",)

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Count different people."""
        event, at = fact.event, moment_of(fact.recorded_at)
        source = self.recall(key, at)
        if (type(event) is TokenIssued or type(event) is TokenRefreshed) and event.auth_method != "none":
            source.back_end_at = at
            return ()
        if type(event) is not TokenSourceObserved:
            subject: str = event.subject  # type: ignore[attr-defined]
            source.at_home.add(subject, at, _MONTH, 16 * self._subjects)
            source.used.drop(subject)
            return ()
        if event.subject in source.at_home.seen or at - source.back_end_at < _MONTH:
            return ()
        used = source.used.add(event.subject, at, self._window, 4 * self._subjects)
        source.trail.add(fact, at, self._window, 1, event.source)
        source.at_home.trim(at - _MONTH, 16 * self._subjects)
        if used < self._subjects or len(source.at_home.seen) >= used:
            return ()
        severity: Severity = "high" if used >= 2 * self._subjects else "medium"
        where, over = key.removeprefix("source "), lasting(max(at - source.trail.began, 1))
        summary = f"Tokens of {used} people, none of whom got one there, came from {where} within {over}."
        return (self.signal(fact, key, severity, summary, **source.trail.evidence()),)

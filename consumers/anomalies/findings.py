"""Signals about one thing (rule, about) are one finding that grows. Pure: the same signals give the same findings.

A finding is told when it begins (`anomaly.detected`), and again (`anomaly.extended`) when it has doubled, when it is
more severe, and at most once a minute when it has new sources. It ends when it has been quiet for a while, or when a
person acknowledged it: what comes then is a new one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

import msgspec

from consumers.anomalies.contract import Signal
from schema.events import AnomalyDetected, AnomalyExtended, Severity
from schema.streams import derived_stream

QUIET_SECONDS = 3_600.0
SLOW_QUIET_SECONDS = 86_400.0
SLOW_RULES = frozenset(
    (
        "slow_guessing",
        "scope_probing",
        "token_elsewhere",
        "new_scope",
        "dormant_client",
        "new_network",
        "new_user_agent",
    )
)
"""Rules whose events come hours apart: their findings end after a day, or after `quiet` where that is longer."""

OPEN_LIMIT = 20_000

_KEPT = 20
_HALF = _KEPT // 2
_NEW_SOURCES_SECONDS = 60.0
_SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")

FindingEvent = AnomalyDetected | AnomalyExtended


class Told(NamedTuple):
    """An event of a finding: the `number`-th (from 1) of its stream. `position` is that of the event that decided."""

    stream: UUID
    number: int
    event: FindingEvent
    position: int


class Open(msgspec.Struct):
    """A finding that goes on. `evidence` and `sources` are bounded; the `told_…` are as of its last event."""

    rule: str
    about: str
    stream: UUID
    severity: Severity
    technique: str
    summary: str
    first_at: float
    last_at: float
    position: int
    count: int
    evidence: tuple[int, ...]
    sources: tuple[str, ...]
    client_id: str | None
    subject: str | None
    grant_id: str | None
    told: int = 0
    told_count: int = 0
    told_at: float = 0.0
    told_severity: Severity = "low"
    told_sources: int = 0


class Findings:
    """The findings that go on, at most `limit`: beyond, those that were quiet for longest end.

    `quiet` is after how many seconds without a signal a finding ends.
    """

    def __init__(self, quiet: float = QUIET_SECONDS, limit: int = OPEN_LIMIT) -> None:
        self._quiet = quiet
        self._quiet_of = dict.fromkeys(SLOW_RULES, max(quiet, SLOW_QUIET_SECONDS))
        self._limit = limit
        self._open: dict[tuple[str, str], Open] = {}
        self._by_stream: dict[UUID, tuple[str, str]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def note(self, signal: Signal) -> Told | None:
        """What there is to tell of a signal, if anything. Signals come in the order of their positions."""
        thing = (signal.rule, signal.about)
        finding = self._open.pop(thing, None)
        if finding is not None and self._is_over(finding, signal.at):
            del self._by_stream[finding.stream]
            finding = None
        if finding is None:
            finding = _begun(signal)
            self._by_stream[finding.stream] = thing
        else:
            _grow(finding, signal)
        self._open[thing] = finding  # the last in line: those at the front were quiet for longest
        self._keep_within_limit()
        return _tell(finding, signal)

    def acknowledged(self, stream: UUID) -> None:
        """End the finding of a stream, if it goes on."""
        thing = self._by_stream.pop(stream, None)
        if thing is not None:
            del self._open[thing]

    def forget(self, now: float) -> None:
        """Drop the findings that are over by `now`; it changes nothing that is told."""
        for finding in [finding for finding in self._open.values() if self._is_over(finding, now)]:
            self.acknowledged(finding.stream)

    def state(self) -> list[Open]:
        """The findings that go on, for `restore`; msgspec encodes and decodes them."""
        return list(self._open.values())

    def restore(self, state: Iterable[Open]) -> None:
        """Go on where `state` was taken."""
        self._open = {(finding.rule, finding.about): finding for finding in state}
        self._by_stream = {finding.stream: thing for thing, finding in self._open.items()}

    def _is_over(self, finding: Open, now: float) -> bool:
        return now - finding.last_at > self._quiet_of.get(finding.rule, self._quiet)

    def _keep_within_limit(self) -> None:
        if len(self._open) > self._limit:
            self.acknowledged(next(iter(self._open.values())).stream)


def _begun(signal: Signal) -> Open:
    seed = f"{signal.rule}/{signal.about}/{signal.position}"
    return Open(
        rule=signal.rule,
        about=signal.about,
        stream=derived_stream(int(signal.at * 1_000), seed),
        severity=signal.severity,
        technique=signal.technique,
        summary=signal.summary,
        first_at=signal.at,
        last_at=signal.at,
        position=signal.position,
        count=max(1, signal.count),
        evidence=_some((), (*signal.evidence, signal.position)),
        sources=tuple(dict.fromkeys(signal.sources))[:_KEPT],
        client_id=signal.client_id,
        subject=signal.subject,
        grant_id=signal.grant_id,
    )


def _grow(finding: Open, signal: Signal) -> None:
    """A rule's own count may cover a window only, so each event that speaks counts at least as one."""
    more = 1 if signal.position > finding.position else 0
    finding.count = max(finding.count + more, signal.count)
    finding.severity = max(finding.severity, signal.severity, key=_SEVERITIES.index)
    finding.technique, finding.summary = signal.technique, signal.summary
    finding.last_at = max(finding.last_at, signal.at)
    finding.position = signal.position
    finding.evidence = _some(finding.evidence, (*signal.evidence, signal.position))
    if len(finding.sources) < _KEPT:
        finding.sources = tuple(dict.fromkeys((*finding.sources, *signal.sources)))[:_KEPT]
    finding.client_id = finding.client_id or signal.client_id
    finding.subject = finding.subject or signal.subject
    finding.grant_id = finding.grant_id or signal.grant_id


def _tell(finding: Open, signal: Signal) -> Told | None:
    if not _is_news(finding, signal.at):
        return None
    finding.told += 1
    finding.told_count, finding.told_severity = finding.count, finding.severity
    finding.told_sources, finding.told_at = len(finding.sources), signal.at
    return Told(finding.stream, finding.told, _event_of(finding), signal.position)


def _is_news(finding: Open, now: float) -> bool:
    return (
        finding.told == 0
        or finding.count >= 2 * finding.told_count
        or finding.severity != finding.told_severity
        or (len(finding.sources) > finding.told_sources and now - finding.told_at >= _NEW_SOURCES_SECONDS)
    )


def _event_of(finding: Open) -> FindingEvent:
    kind = AnomalyDetected if finding.told == 1 else AnomalyExtended
    return kind(
        rule=finding.rule,
        severity=finding.severity,
        technique=finding.technique,
        about=finding.about,
        summary=finding.summary,
        first_at=int(finding.first_at),
        last_at=int(finding.last_at),
        count=finding.count,
        evidence=finding.evidence,
        sources=finding.sources,
        client_id=finding.client_id,
        subject=finding.subject,
        grant_id=finding.grant_id,
    )


def _some(known: tuple[int, ...], more: Iterable[int]) -> tuple[int, ...]:
    """The first and the latest of positions."""
    positions = sorted({*known, *more})
    return tuple(positions) if len(positions) <= _KEPT else (*positions[:_HALF], *positions[-_HALF:])

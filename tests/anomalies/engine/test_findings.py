"""Signals become findings that grow."""

from __future__ import annotations

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.findings import Findings, Open
from schema.events import AnomalyDetected, AnomalyExtended, Severity

MINUTE = 60.0


def signal(
    position: int, at: float = 0.0, *, about: str = "source 192.0.2.1", rule: str = "threes", severity: Severity = "low"
) -> Signal:
    """A signal whose source is its position's, and which counts one."""
    sources = (f"192.0.2.{position % 250}",)
    return Signal(rule, about, severity, "T1110", f"at {position}", position, at, sources, evidence=(position,))


def test_a_finding_is_told_when_it_doubles() -> None:
    """Of a hundred signals about one thing, the first and those that double their number are told."""
    findings = Findings()
    told = [each for position in range(1, 101) if (each := findings.note(signal(position))) is not None]
    assert [each.event.count for each in told] == [1, 2, 4, 8, 16, 32, 64]
    assert list(range(1, 8)) == [each.number for each in told]
    assert {told[0].stream} == {each.stream for each in told}
    assert isinstance(told[0].event, AnomalyDetected)
    assert all(isinstance(each.event, AnomalyExtended) for each in told[1:])


def test_a_rules_own_count_is_believed_where_it_is_higher() -> None:
    """A rule that speaks from the tenth event on counts ten; a count of a window that shrinks takes nothing away."""
    findings = Findings()
    told = [findings.note(signal(position)._replace(count=count)) for position, count in ((10, 10), (11, 11), (12, 3))]
    assert [each and each.event.count for each in told] == [10, None, None]
    assert findings.state()[0].count == 12


def test_more_severity_is_told_at_once_and_stays() -> None:
    """A finding that becomes more severe is told; one signal less severe does not make it less."""
    findings = Findings()
    severities: tuple[Severity, ...] = ("low", "low", "high", "medium", "low")
    told = [findings.note(signal(position, severity=each)) for position, each in enumerate(severities, start=1)]
    assert [each and each.event.severity for each in told] == ["low", "low", "high", None, None]


def test_new_sources_are_told_at_most_once_a_minute() -> None:
    """A finding whose number does not double is told again for its new sources, once a minute."""
    findings = Findings()
    findings.note(signal(1)._replace(count=1_000))
    times = [findings.note(signal(position, position * 10.0)) is not None for position in range(2, 15)]
    assert [position for position, told in zip(range(2, 15), times, strict=True) if told] == [6, 12]


def test_what_comes_after_quiet_is_a_new_finding() -> None:
    """An hour without a signal ends a finding; rules that watch for days wait a day."""
    findings = Findings(quiet=60 * MINUTE)
    first = findings.note(signal(1, 0.0))
    second = findings.note(signal(2, 61 * MINUTE))
    assert first is not None
    assert second is not None
    assert (first.number, second.number, first.stream != second.stream) == (1, 1, True)
    slow = [findings.note(signal(number, number * 61 * MINUTE, rule="slow_guessing")) for number in (3, 4)]
    assert [each and each.number for each in slow] == [1, 2]


def test_an_acknowledged_finding_is_over() -> None:
    """What comes after the acknowledgement is detected anew; an acknowledgement of another changes nothing."""
    findings = Findings()
    first = findings.note(signal(1))
    assert first is not None
    findings.acknowledged(first.stream)
    findings.acknowledged(first.stream)
    second = findings.note(signal(2))
    assert second is not None
    assert (AnomalyDetected, True) == (type(second.event), second.stream != first.stream)


def test_evidence_and_sources_are_bounded() -> None:
    """The first and the latest positions are kept, and the first sources."""
    findings = Findings()
    for position in range(1, 1_001):
        findings.note(signal(position))
    (kept,) = findings.state()
    assert (*range(1, 11), *range(991, 1_001)) == kept.evidence
    assert tuple(f"192.0.2.{number}" for number in range(1, 21)) == kept.sources


def test_findings_are_bounded() -> None:
    """Beyond the limit those that were quiet for longest end, and what is over is forgotten."""
    findings = Findings(limit=3)
    for number in range(1, 6):
        findings.note(signal(number, float(number), about=f"source {number}"))
    assert [each.about for each in findings.state()] == ["source 3", "source 4", "source 5"]
    findings.forget(3_604.5)
    assert [each.about for each in findings.state()] == ["source 5"]


def test_findings_go_on_from_their_state() -> None:
    """At every signal, findings restored from their bytes tell what those that were never interrupted tell."""
    whole, interrupted = Findings(), Findings()
    for position in range(1, 200):
        each = signal(position, position * 7.0, about=f"source {position % 3}")
        bytes_of = msgspec.msgpack.encode(interrupted.state())
        interrupted = Findings()
        interrupted.restore(msgspec.msgpack.decode(bytes_of, type=list[Open]))
        assert whole.note(each) == interrupted.note(each)

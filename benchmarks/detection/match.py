"""Which findings are about which attacks.

A finding is true where there is an attack of which its rule may rightly speak (`rightly.py`), and some of its evidence
are events of that attack; or it overlaps it in time and is about a grant, a person or a source address of it. Of a
client, or of all sign-ins, the evidence alone decides. Several true findings of one attack are all true. Every other
finding is false.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.detection.labels import Label
from benchmarks.detection.rightly import rightly
from consumers.anomalies.findings import Told
from schema.networks import network_of

_SLACK = 3_600.0


class Said(NamedTuple):
    """One event of a finding: when it came, by which fact, and the evidence so far. `at` is in simulated time."""

    position: int
    at: float
    evidence: frozenset[int]


@dataclass(slots=True)
class Found:
    """A finding with all that was told of it."""

    rule: str
    about: str
    first_at: float
    last_at: float
    client_id: str | None = None
    summary: str = ""
    sources: tuple[str, ...] = ()
    evidence: set[int] = field(default_factory=set)
    said: list[Said] = field(default_factory=list)

    def grow(self, told: Told, at: float) -> None:
        """One more event of the finding, told at a simulated moment."""
        event = told.event
        self.said.append(Said(told.position, at, frozenset(event.evidence)))
        self.first_at, self.last_at = min(self.first_at, event.first_at), max(self.last_at, event.last_at)
        self.client_id, self.summary, self.sources = event.client_id, event.summary, event.sources
        self.evidence.update(event.evidence)


@dataclass(slots=True)
class Matched:
    """Every finding with the attacks that it is about (none: it is false)."""

    true: list[tuple[Found, list[Label]]] = field(default_factory=list)
    false: list[Found] = field(default_factory=list)

    def of(self, label: Label) -> list[Found]:
        """The findings that some event of an attack is evidence of."""
        return [
            found
            for found, labels in self.true
            if any(each is label for each in labels) and not found.evidence.isdisjoint(label.positions)
        ]


def begun(told: Told) -> Found:
    """The finding that begins with an event."""
    event = told.event
    return Found(event.rule, event.about, event.first_at, event.last_at)


def first_said(findings: Iterable[Found], label: Label) -> Said | None:
    """The first event of findings that rests on the attack."""
    said = (each for found in findings for each in found.said if not each.evidence.isdisjoint(label.positions))
    return min(said, key=lambda each: each.position, default=None)


def match(findings: Iterable[Found], labels: Sequence[Label]) -> Matched:
    """Tell true findings from false ones."""
    matched = Matched()
    real = [label for label in labels if label.positions]
    for found in findings:
        about = [label for label in real if _is_about(found, label)]
        if about:
            matched.true.append((found, about))
        else:
            matched.false.append(found)
    return matched


def _is_about(found: Found, label: Label) -> bool:
    if found.rule not in rightly(label.kind):
        return False
    if not found.evidence.isdisjoint(label.positions):
        return True
    overlap = found.last_at >= label.began - 1 and found.first_at <= label.ended + _SLACK
    return overlap and _names(found, label)


def _names(found: Found, label: Label) -> bool:
    thing, _, name = found.about.partition(" ")
    match thing:
        case "grant":
            return name in label.grants
        case "subject":
            return name in label.subjects
        case "source":
            return any(name in {source, network_of(source)} for source in label.sources)
        case _:
            return False

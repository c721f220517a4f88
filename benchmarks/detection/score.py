"""Figures of many seeds: how much was found, how much was false, and how soon."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from benchmarks.detection.judge import Outcome
from benchmarks.detection.labels import Label, Strength
from benchmarks.detection.match import Said, first_said
from benchmarks.detection.rightly import OWN

MONTH_DAYS = 30.0
NO_CLIENT = "_"


@dataclass(slots=True)
class Share:
    """So many of so many."""

    found: int = 0
    of: int = 0

    def add(self, yes: bool) -> None:
        """One more."""
        self.of += 1
        self.found += yes

    @property
    def value(self) -> float:
        """The share; 1 of nothing."""
        return self.found / self.of if self.of else 1.0

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.found}/{self.of})" if self.of else "–"


class Reached(NamedTuple):
    """How soon an attack was found: seconds from its last event before to the finding, from its first, and the share of
    its events that had happened.
    """

    waited: float
    began: float
    share: float


@dataclass(slots=True)
class OfKind:
    """The attacks of one kind: found by any right rule, and by the rule made for them."""

    recall: dict[Strength, Share] = field(default_factory=lambda: {"strong": Share(), "subtle": Share()})
    own: dict[Strength, Share] = field(default_factory=lambda: {"strong": Share(), "subtle": Share()})
    reached: list[Reached] = field(default_factory=list)


@dataclass(slots=True)
class OfRule:
    """The findings of one rule, and the attacks that it is made for."""

    true: int = 0
    false: int = 0
    recall: dict[Strength, Share] = field(default_factory=lambda: {"strong": Share(), "subtle": Share()})

    @property
    def precision(self) -> float:
        """The share of true findings; 1 where there are none."""
        return self.true / (self.true + self.false) if self.true + self.false else 1.0


@dataclass(slots=True)
class Score:
    """All figures. `worst` is the largest number of false findings for one client and month, with who that was;
    `often` is the share of clients with more than one.
    """

    seeds: list[int]
    days: int
    events: int
    kinds: dict[str, OfKind]
    rules: dict[str, OfRule]
    false_by_client_month: float
    worst: tuple[float, str]
    often: Share
    without_client_by_month: float

    @property
    def precision(self) -> float:
        """Of all rules together."""
        true = sum(rule.true for rule in self.rules.values())
        false = sum(rule.false for rule in self.rules.values())
        return true / (true + false) if true + false else 1.0


def score(outcomes: Sequence[Outcome]) -> Score:
    """The figures of some seeds."""
    kinds, rules = defaultdict[str, OfKind](OfKind), defaultdict[str, OfRule](OfRule)
    for outcome in outcomes:
        _add_attacks(outcome, kinds, rules)
        for found, _ in outcome.matched.true:
            rules[found.rule].true += 1
        for found in outcome.matched.false:
            rules[found.rule].false += 1
    months = sum(outcome.size.days for outcome in outcomes) / MONTH_DAYS
    false = [found for outcome in outcomes for found in outcome.matched.false]
    of_clients = sum(found.client_id is not None for found in false)
    client_months = sum(outcome.clients * outcome.size.days / MONTH_DAYS for outcome in outcomes)
    return Score(
        seeds=[outcome.seed for outcome in outcomes],
        days=outcomes[0].size.days,
        events=sum(outcome.events for outcome in outcomes),
        kinds=dict(kinds),
        rules=dict(rules),
        false_by_client_month=of_clients / client_months,
        worst=max((_worst(outcome) for outcome in outcomes), default=(0.0, "–")),
        often=Share(sum(map(_often, outcomes)), sum(outcome.clients for outcome in outcomes)),
        without_client_by_month=(len(false) - of_clients) / months,
    )


def _add_attacks(outcome: Outcome, kinds: dict[str, OfKind], rules: dict[str, OfRule]) -> None:
    for label in outcome.labels:
        if not label.counts:
            continue
        findings = outcome.matched.of(label)
        own = any(found.rule == OWN[label.kind] for found in findings)
        kind = kinds[label.kind]
        kind.recall[label.strength].add(bool(findings))
        kind.own[label.strength].add(own)
        rules[OWN[label.kind]].recall[label.strength].add(own)
        said = first_said(findings, label)
        if said is not None:
            kind.reached.append(_reached(label, said))


def _reached(label: Label, said: Said) -> Reached:
    before = bisect_right(label.positions, said.position)
    last = label.times[before - 1] if before else label.began
    return Reached(max(0.0, said.at - last), max(0.0, said.at - label.began), before / len(label.times))


def _false_by_client(outcome: Outcome) -> Counter[str]:
    return Counter(found.client_id for found in outcome.matched.false if found.client_id is not None)


def _often(outcome: Outcome) -> int:
    """How many clients had more than one false finding in a month."""
    months = outcome.size.days / MONTH_DAYS
    return sum(number > months for number in _false_by_client(outcome).values())


def _worst(outcome: Outcome) -> tuple[float, str]:
    of = _false_by_client(outcome)
    if not of:
        return 0.0, "–"
    client, number = of.most_common(1)[0]
    return number * MONTH_DAYS / outcome.size.days, f"{client}, seed {outcome.seed}"


def middle(numbers: Sequence[float]) -> float:
    """The median; 0 of nothing."""
    return median(numbers) if numbers else 0.0

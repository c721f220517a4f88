"""Recall, precision and cost of each detector on the same counts.

river's thresholds are those of a grid that do best (F1) on the tuning seeds; the seasonal counter's are the rules' own.
Alarms of one client no more than an hour apart are one; it is true where it overlaps an attack by quantity of its kind,
set aside where it overlaps any other attack on that client, and else false.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from benchmarks.detection.baselines.detectors import Detector, Seasonal, gaussian, half_space_trees, holt_winters
from benchmarks.detection.baselines.series import Weeks, weeks_of
from benchmarks.detection.labels import Label
from benchmarks.detection.report import table

_QUIET = 3_600.0
_LATE = 5_400.0

DETECTORS: dict[str, Callable[[], Detector]] = {
    "seasonal counter (the rules')": Seasonal,
    "river HalfSpaceTrees": half_space_trees,
    "river GaussianScorer on weekly residuals": gaussian,
    "river HoltWinters, residuals": holt_winters,
}
_GRIDS: dict[str, tuple[float, ...]] = {
    "seasonal counter (the rules')": (0.5,),
    "river HalfSpaceTrees": (0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999),
}
_DEVIATIONS = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0)


class Scored(NamedTuple):
    """One score of one client, about a moment."""

    client: str
    what: str
    at: float
    score: float


class Counted(NamedTuple):
    """What came of a threshold: attacks found of all, true and false alarms."""

    found: int = 0
    attacks: int = 0
    true: int = 0
    false: int = 0

    def plus(self, other: Counted) -> Counted:
        """Both together."""
        return Counted(*(mine + its for mine, its in zip(self, other, strict=True)))

    @property
    def recall(self) -> float:
        """The share of attacks that were found."""
        return self.found / max(1, self.attacks)

    @property
    def precision(self) -> float:
        """The share of alarms that are true."""
        return self.true / max(1, self.true + self.false)

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return 2 * self.recall * self.precision / max(1e-9, self.recall + self.precision)


class Ran(NamedTuple):
    """What a detector made of one seed, and the seconds that it took for so many events."""

    labels: list[Label]
    scores: list[Scored]
    spent: float
    events: int


def comparison(tuning: Sequence[int], held_out: Sequence[int]) -> str:
    """The table, of the held-out seeds."""
    tuned, measured = [_run_all(seed) for seed in tuning], [_run_all(seed) for seed in held_out]
    rows = []
    for name in DETECTORS:
        before, ran = [each[name] for each in tuned], [each[name] for each in measured]
        threshold = _best(before, _GRIDS.get(name, _DEVIATIONS))
        came = _sum(ran, threshold)
        micros = sum(each.spent for each in ran) / sum(each.events for each in ran) * 1e6
        shares = (f"{came.recall:.2f} ({came.found}/{came.attacks})", f"{came.precision:.2f}", came.false)
        rows.append((name, f"{threshold:g}", *shares, f"{micros:.1f}"))
    return table(("detector", "threshold", "recall", "precision", "false alarms", "µs an event"), rows)


def _best(runs: Sequence[Ran], grid: Sequence[float]) -> float:
    return max(grid, key=lambda threshold: _sum(runs, threshold).f1)


def _run_all(seed: int) -> dict[str, Ran]:
    """Every detector on one seed."""
    weeks = weeks_of(seed)
    return {name: _run(weeks, make) for name, make in DETECTORS.items()}


def _run(weeks: Weeks, make: Callable[[], Detector]) -> Ran:
    detectors: defaultdict[tuple[str, str], Detector] = defaultdict(make)
    scores = []
    began = time.perf_counter()
    for counted in weeks.counts:
        scored = detectors[counted.client, counted.what].add(counted)
        if scored is not None:
            scores.append(Scored(counted.client, counted.what, scored[1], scored[0]))
    return Ran(weeks.labels, scores, time.perf_counter() - began, len(weeks.counts))


def _sum(runs: Iterable[Ran], threshold: float) -> Counted:
    total = Counted()
    for ran in runs:
        total = total.plus(_judged(ran.labels, [scored for scored in ran.scores if scored.score > threshold]))
    return total


def _judged(labels: Sequence[Label], alarms: Iterable[Scored]) -> Counted:
    kinds = {"issuance_burst", "introspection_burst"}
    bursts = [label for label in labels if label.kind in kinds and label.positions]
    found, true, false = set[str](), 0, 0
    for first, last in _grouped(alarms):
        own = [label for label in labels if first.client in label.clients and _overlaps(first, last, label)]
        right = [label for label in own if label.kind == first.what]
        found.update(label.name for label in right)
        true += bool(right)
        false += not own
    return Counted(len(found), len(bursts), true, false)


def _grouped(alarms: Iterable[Scored]) -> list[tuple[Scored, Scored]]:
    """The first and the last of alarms that belong together."""
    groups: dict[tuple[str, str], list[tuple[Scored, Scored]]] = defaultdict(list)
    for alarm in alarms:
        mine = groups[alarm.client, alarm.what]
        if mine and alarm.at - mine[-1][1].at <= _QUIET:
            mine[-1] = (mine[-1][0], alarm)
        else:
            mine.append((alarm, alarm))
    return [group for mine in groups.values() for group in mine]


def _overlaps(first: Scored, last: Scored, label: Label) -> bool:
    return first.at <= label.ended + _LATE and last.at >= label.began

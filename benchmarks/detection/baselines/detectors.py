"""One detector a client and thing counted. `add` gives a score where there is one to give; higher is stranger.

river's learn once every half hour, from the count of it; the seasonal counter at every event.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

from river import anomaly, preprocessing, time_series

from benchmarks.detection.baselines.series import Counted
from consumers.anomalies.rules.bursts import IntrospectionBurst, IssuanceBurst
from consumers.anomalies.thresholds import Thresholds

SPAN = 1_800.0
_WEEK = 336
_WARM = _WEEK
_LEAST = 0.05
_FLOORS = {
    "issuance_burst": Thresholds().issuance_floor,
    "introspection_burst": Thresholds().introspection_floor,
}


class Detector(Protocol):
    """Scores the counts of one client."""

    def add(self, counted: Counted) -> tuple[float, float] | None:
        """So much more; a score, and the moment that it is about, if there is one."""
        ...


class Seasonal:
    """The rule itself; its score is 1 where it speaks."""

    def __init__(self) -> None:
        thresholds = Thresholds()
        self._rules = {rule.name: rule for rule in (IssuanceBurst(thresholds), IntrospectionBurst(thresholds))}

    def add(self, counted: Counted) -> tuple[float, float] | None:
        """One event."""
        signals = self._rules[counted.what].observe(f"client {counted.client}", counted.fact)
        return (1.0, counted.at) if list(signals) else None


class HalfHours:
    """Gathers half hours, and has each of them scored when it is over; what is below the rules' floor scores 0."""

    def __init__(self, scorer: Callable[[float, int], float]) -> None:
        self._scorer = scorer
        self._floor = 0.0
        self._slot = -1
        self._count = 0
        self._seen = 0

    def add(self, counted: Counted) -> tuple[float, float] | None:
        """One event; where it is the first of a half hour, the score of the one before."""
        slot = int(counted.at // SPAN)
        scored = None
        if slot != self._slot:
            scored = self._turn(slot) if self._slot >= 0 else None
            self._slot, self._count, self._floor = slot, 0, _FLOORS[counted.what] / 2
        self._count += counted.weight
        return scored

    def _turn(self, slot: int) -> tuple[float, float] | None:
        scored = self._scorer(float(self._count), self._slot % _WEEK)
        score = scored if self._count >= self._floor else 0.0
        over = (self._slot + 1) * SPAN
        for passed in range(self._slot + 1, min(slot, self._slot + _WEEK)):
            self._scorer(0.0, passed % _WEEK)
        self._seen += slot - self._slot
        return (score, over) if self._seen > _WARM else None


def half_space_trees() -> HalfHours:
    """river.anomaly.HalfSpaceTrees of the count and the time of day and week."""
    model: Any = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(n_trees=10, height=6, window_size=_WEEK, seed=7)

    def score(count: float, slot: int) -> float:
        features = {"count": math.log1p(count), "day": slot % 48, "week": slot // 48}
        result = float(model.score_one(features))
        model.learn_one(features)
        return result

    return HalfHours(score)


def gaussian() -> HalfHours:
    """river.anomaly.GaussianScorer of what differs from the mean of this half hour of the week so far."""
    scorer = _bell()
    means: dict[int, float] = {}

    def score(count: float, slot: int) -> float:
        value = math.log1p(count)
        residual = value - means.get(slot, value)
        means[slot] = means.get(slot, value) + 0.3 * residual
        return _scored(scorer, residual)

    return HalfHours(score)


def holt_winters() -> HalfHours:
    """river.time_series.HoltWinters with a season of a week; a GaussianScorer judges how far it is off."""
    make: Any = time_series.HoltWinters
    model = make(alpha=0.1, beta=0.01, gamma=0.3, seasonality=_WEEK)
    scorer = _bell()
    seen = 0

    def score(count: float, slot: int) -> float:
        nonlocal seen
        del slot
        value = math.log1p(count) + _LEAST
        seen += 1
        residual = value - float(model.forecast(1)[0]) if seen > _WEEK + 1 else 0.0
        model.learn_one(value)
        return _scored(scorer, residual) if seen > _WEEK + 1 else 0.0

    return HalfHours(score)


def _bell() -> Any:
    make: Any = anomaly.GaussianScorer
    return make(grace_period=_WEEK)


def _scored(scorer: Any, residual: float) -> float:
    """How many deviations of the scorer's distribution a residual is above its mean; its own score stops at 1."""
    bell = scorer.gaussian
    distance = (residual - bell.mu) / max(bell.sigma, _LEAST) if bell.n_samples >= scorer.grace_period else 0.0
    scorer.learn_one(None, residual)
    return float(distance)

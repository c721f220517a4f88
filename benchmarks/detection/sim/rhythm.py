"""How much happens when: hours of the day, days of the week, holidays, growth, and noise that lasts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Literal

from benchmarks.detection.sim.schedule import DAY, HOUR, WEEK

Shape = Literal["flat", "office", "evening", "night"]

_SHAPES: dict[Shape, tuple[float, ...]] = {
    "flat": (1.0,) * 24,
    "office": (
        *(0.03, 0.02, 0.02, 0.02, 0.03, 0.1, 0.4, 1.1, 2.2, 2.7, 2.6, 2.3),
        *(1.8, 2.2, 2.5, 2.3, 1.8, 1.0, 0.5, 0.3, 0.2, 0.1, 0.06, 0.04),
    ),
    "evening": (
        *(0.4, 0.2, 0.1, 0.05, 0.05, 0.1, 0.4, 0.9, 0.9, 0.7, 0.7, 0.8),
        *(1.1, 1.0, 0.9, 0.9, 1.0, 1.3, 1.7, 2.1, 2.4, 2.3, 1.6, 0.9),
    ),
    "night": (
        *(3.0, 4.5, 4.5, 3.0, 1.8, 1.0, 0.5, 0.3, 0.2, 0.2, 0.2, 0.2),
        *(0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.3, 0.4, 0.6, 1.0, 1.9),
    ),
}


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A rate relative to its mean. `zone` is in hours east of UTC, `weekend` the share of a working day's traffic.

    `growth` is by week; `noise` the deviation of the logarithm, drawn anew each hour and each day. `holidays` are days
    since the start.
    """

    start: float
    shape: Shape
    zone: int
    weekend: float
    growth: float
    noise: float
    seed: int
    holidays: frozenset[int]

    def at(self, now: float) -> float:
        """The rate at a moment."""
        since = now - self.start + self.zone * HOUR
        day = math.floor(since / DAY)
        hours = (since - day * DAY) / HOUR
        here, share = int(hours), hours - int(hours)
        curve = _SHAPES[self.shape]
        rate = curve[here] * (1 - share) + curve[(here + 1) % 24] * share
        if day % 7 >= 5 or day in self.holidays:
            rate *= self.weekend
        grown = math.pow(1 + self.growth, since / WEEK)
        return rate * grown * _noise(self.seed, self.noise, day, here)


def poisson(random: Random, mean: float) -> int:
    """How often something happens that does so `mean` times on average."""
    if mean > 60:
        return max(0, round(random.gauss(mean, math.sqrt(mean))))
    limit, product, number = math.exp(-mean), random.random(), 0
    while product > limit:
        product *= random.random()
        number += 1
    return number


@lru_cache(maxsize=16_384)
def _noise(seed: int, deviation: float, day: int, hour: int) -> float:
    by_hour, by_day = _bell(seed, day * 24 + hour), _bell(seed + 1, day)
    return math.exp(deviation * (0.7 * by_hour + 0.7 * by_day))


def _bell(seed: int, number: int) -> float:
    """A number of about a standard normal distribution, always the same for the same place."""
    mixed = (seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ (mixed >> 31)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    total = sum((mixed >> shift) & 0xFFFF for shift in (0, 16, 32, 48))
    return (total / 65_536 - 2.0) * math.sqrt(3.0)

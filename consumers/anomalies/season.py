"""What is usual at this hour of the week, learned from the past: an exponentially weighted mean, and how far off it is.

What goes beyond the limit is learned only up to the limit, so that an attack does not become what is usual. Days on
which books are closed teach nothing about other days. In the first three weeks an hour that was seen once or twice is
taken to be about as busy as that hour on the busiest day, since it may have been a holiday's.
"""

from __future__ import annotations

import datetime as dt
from array import array
from math import sqrt

import msgspec

HOUR = 3_600
_DAY = 24
_WEEK = 168
_CATCH_UP = 2 * _WEEK
_UNSEEN = -1.0
_NEW = array("f", [_UNSEEN] * _WEEK).tobytes()


class Measure(msgspec.Struct, frozen=True):
    """From when on an hour is unusual: beyond `ratio` times what is usual and so many `deviations` more, and beyond
    `floor`, and `peak` times the busiest hour; not before `warm_hours` of history.

    A quarter of an hour is unusual by the same measure of a quarter of what is usual, a deviation more, and beyond
    half as much again as in the busiest one. Up to `moment`, only what is spread over several minutes is: a restart or
    a run is over at once. When books are closed, `closing` times as much is usual for who has hours of rest.
    """

    ratio: float
    deviations: float
    floor: float
    peak: float
    warm_hours: int
    moment: float = 0.0
    closing: float = 1.0


class Season(msgspec.Struct):
    """Counts of one thing by the hour. `hour` is the running one, in hours since 1970.

    `levels` are what is usual at each hour of the week; `dispersion` is how far counts are from it, against what chance
    and the noise of a day would do. `before` is what the hour before had too much. `lately_had` and `lately_usual` tell
    how busy today is: a busy day is no attack. `minutes` are the latest in which anything came, `parts` how much in
    each of the last fifteen. `quarter` came within fifteen minutes, `most` is the most that did in this hour.
    """

    hour: int = 0
    began: int = 0
    count: float = 0.0
    before: float = 0.0
    limit: float = float("inf")
    usual: float = 0.0
    busiest: float = 0.0
    dispersion: float = 1.0
    lately_had: float = 0.0
    lately_usual: float = 0.0
    levels: bytes = _NEW
    minutes: list[int] = msgspec.field(default_factory=list)
    parts: list[float] = msgspec.field(default_factory=list)
    quarter: float = 0.0
    most: float = 0.0
    busiest_quarter: float = 0.0
    quarter_limit: float = float("inf")

    def add(self, at: float, weight: float, measure: Measure) -> bool:
        """Count; whether this hour is unusual by now."""
        hour = int(at) // HOUR
        if hour > self.hour:
            self._turn(hour, measure)
        self.count += weight
        self._note(int(at) // 60, weight)
        self.most = max(self.most, self.quarter)
        limit = self.limit
        if not self.is_sudden() and (self.count + self.before <= limit or self.lately(at) <= limit):
            return False
        return self.lately(at) > measure.moment or self._is_spread(at)

    def is_sudden(self) -> bool:
        """Whether this quarter of an hour is unusual."""
        return self.quarter > self.quarter_limit

    def begin_anew(self) -> None:
        """Let go of what came in this hour and was too much before it; what is usual stays."""
        self.count = self.before = self.quarter = self.most = 0.0
        self.minutes, self.parts = [], []

    def lately(self, at: float) -> float:
        """How many came in this hour, and how many too many in the one before, less and less from half past on."""
        past = (at - self.hour * HOUR) / HOUR
        return self.count + self.before * min(1.0, 2.0 * (1.0 - past))

    def _note(self, minute: int, weight: float) -> None:
        minutes, parts = self.minutes, self.parts
        self.quarter += weight
        if minutes and minute <= minutes[-1]:
            parts[-1] += weight
            return
        minutes.append(minute)
        parts.append(weight)
        while minutes[-len(parts)] <= minute - _QUARTER:
            self.quarter -= parts.pop(0)
        if len(minutes) > _QUARTER:
            del minutes[0]

    def _is_spread(self, at: float) -> bool:
        return len(self.minutes) >= _SPREAD and self.minutes[-_SPREAD] > (at - HOUR) / 60

    def _turn(self, hour: int, measure: Measure) -> None:
        if self.began == 0:
            self.began = self.hour = hour
            return
        self.busiest_quarter = max(min(self.most, self.quarter_limit), self.busiest_quarter * _PEAK_FADES)
        self.most = 0.0
        levels = array("f", self.levels)
        for passed in range(max(self.hour, hour - _CATCH_UP), hour):
            self._learn(levels, passed, min(self.count, self.limit) if passed == self.hour else 0.0, measure)
        self.before = max(0.0, self.count - self.usual) if hour == self.hour + 1 else 0.0
        self.hour, self.count, self.levels = hour, 0.0, levels.tobytes()
        self.usual = _level(levels, hour % _WEEK)
        if hour - self.began < _YOUNG:
            self.usual = max(self.usual, _LIKE_OTHERS * max(levels[hour % _DAY :: _DAY]))
        closing = measure.closing if _is_closing(levels, hour, measure) else 1.0
        self.usual *= closing
        warm = hour - self.began >= measure.warm_hours
        self.limit = self._limit(measure) if warm else float("inf")
        self.quarter_limit = self._quarter_limit(measure, closing) if warm else float("inf")

    def _learn(self, levels: array[float], hour: int, count: float, measure: Measure) -> None:
        place = hour % _WEEK
        expected, level = _level(levels, place), levels[place]
        if level >= 0 and _is_closing(levels, hour, measure):
            return
        self.busiest = max(count, self.busiest * _PEAK_FADES)
        self.lately_had = _A_DAY * self.lately_had + count
        self.lately_usual = _A_DAY * self.lately_usual + expected
        if level < 0:
            levels[place] = count
            return
        far = (count - expected) ** 2 / _variance(expected)
        self.dispersion += _LEARNS_DISPERSION * (min(far, _FARTHEST) - self.dispersion)
        levels[place] = level + (_LEARNS if hour - self.began >= _CATCH_UP else _LEARNS_FIRST) * (count - level)

    def _quarter_limit(self, measure: Measure, closing: float) -> float:
        expected = self._expected() / 4
        deviation = sqrt(max(self.dispersion, _STEADY) * _variance(expected))
        often = expected * measure.ratio + deviation * (measure.deviations + 1)
        return max(often, measure.floor, self.busiest_quarter * _BEYOND * closing)

    def _expected(self) -> float:
        today = (self.lately_had + _CALM) / (self.lately_usual + _CALM)
        return self.usual * min(max(today, 1.0), _BUSY_DAY)

    def _limit(self, measure: Measure) -> float:
        expected = self._expected()
        deviation = sqrt(max(self.dispersion, _STEADY) * _variance(expected))
        return max(
            expected * measure.ratio + deviation * measure.deviations, measure.floor, self.busiest * measure.peak
        )


_LEARNS = 0.3
_LEARNS_FIRST = 0.5
_YOUNG = 3 * _WEEK
_LIKE_OTHERS = 0.7
_LEARNS_DISPERSION = 0.02
_FARTHEST = 5.0
_STEADY = 0.3
_NOISE = 0.2
_A_DAY = 0.8
_CALM = 4.0
_BUSY_DAY = 4.0
_PEAK_FADES = 0.5 ** (1 / (4 * _WEEK))
_SPREAD = 8
_QUARTER = 15
_BEYOND = 1.5
_RESTS = 0.25
_TWO_DAYS = dt.timedelta(days=2)


def _is_closing(levels: array[float], hour: int, measure: Measure) -> bool:
    """Whether it is one of the last two days or the first day of a month, in UTC, and the client has hours of rest.

    One that is as busy by night as by day does not work as people do.
    """
    now = dt.datetime.fromtimestamp(hour * HOUR, dt.UTC)
    if measure.closing <= 1 or (now.day != 1 and now.month == (now + _TWO_DAYS).month):
        return False
    little = _RESTS * sum(level for level in levels if level > 0) / _WEEK
    return sum(0 <= level < little for level in levels) >= _RESTS * _WEEK


def _variance(expected: float) -> float:
    """That of chance, and of hours that are a little busier or calmer than others."""
    return expected + 1 + (_NOISE * expected) ** 2


def _level(levels: array[float], place: int) -> float:
    """What is usual at an hour of the week: its own level, or that of the hours around where it is more."""
    seen = [levels[here] for here in (place - 1, place, (place + 1) % _WEEK) if levels[here] >= 0]
    return max(levels[place], sum(seen) / len(seen)) if seen else 0.0

from __future__ import annotations

import msgspec

from consumers.anomalies.season import HOUR, Measure, Season

MEASURE = Measure(ratio=1.2, deviations=5, floor=12, peak=0.3, warm_hours=168)
WEEK = 168


def week_of(season: Season, week: int, usual: int, busy: dict[int, int] | None = None) -> list[int]:
    """The hours of a week in which something was unusual; `busy` hours have more than usual."""
    unusual = []
    for hour in range(WEEK):
        number = (busy or {}).get(hour, usual)
        steps = [season.add((week * WEEK + hour) * HOUR + 7 * step, 1, MEASURE) for step in range(number)]
        if any(steps):
            unusual.append(hour)
    return unusual


def test_the_first_week_is_learned() -> None:
    """Whatever comes in it is not unusual."""
    assert week_of(Season(), 1, 20, {100: 500}) == []


def test_much_more_than_usual_is_unusual() -> None:
    """Three times the usual of a steady thing is, half as much again is not."""
    season = Season()
    week_of(season, 1, 20)

    assert week_of(season, 2, 20, {50: 60, 90: 30}) == [50]


def test_each_hour_of_the_week_has_its_own() -> None:
    """What is usual on Monday morning is unusual in the night."""
    mornings = {day * 24 + hour: 100 for day in range(5) for hour in (8, 9, 10)}
    season = Season()
    for week in (1, 2, 3):
        week_of(season, week, 2, mornings)

    assert week_of(season, 4, 2, mornings) == []
    assert week_of(season, 5, 2, mornings | {2: 60})[0] == 2


def test_an_attack_does_not_become_what_is_usual() -> None:
    """The same attack at the same hour is unusual week after week."""
    season = Season()
    week_of(season, 1, 20)

    assert [week_of(season, week, 20, {50: 120})[0] for week in (2, 3, 4, 5)] == [50] * 4


def test_a_busy_day_is_no_attack() -> None:
    """Where hour after hour is somewhat busier, the limit follows; a leap is seen while it is within the hour."""
    season = Season()
    week_of(season, 1, 20)
    slowly = {hour: min(60, 20 + 4 * (hour - 40)) for hour in range(40, 60)}

    assert week_of(season, 2, 20, slowly) == []
    assert week_of(season, 3, 20, slowly | {59: 200}) == [59, 60]


def test_half_an_hour_in_each_of_two_hours_adds_up() -> None:
    """What the hour before had too much counts in this one until its time is over."""
    season = Season()
    week_of(season, 1, 20)
    start = 2 * WEEK * HOUR
    at = [start + HOUR - 600 + 10 * step for step in range(120)]

    assert True in [season.add(moment, 1, MEASURE) for moment in at]


def test_a_patient_burst_adds_up_beyond_an_hour() -> None:
    """As many as an hour may have, over an hour and a half from its beginning, are unusual in the second hour."""
    season = Season()
    for week in (1, 2, 3):
        week_of(season, week, 2)
    start = 4 * WEEK * HOUR
    steps = [season.add(start + 300 * step, 1, MEASURE) for step in range(18)]

    assert any(steps[12:])
    assert not any(steps[:12])


def test_a_quarter_of_an_hour_is_unusual_by_itself() -> None:
    """Many in some minutes are, that an hour may have; for who always has a run each hour, they are not."""

    def unusual(apart: int) -> bool:
        season, usual = Season(), [False]
        for hour in range(1, WEEK + 2):
            usual = [season.add(hour * HOUR + apart * step, 1, MEASURE) for step in range(40)]
        return any(usual) or any(season.add((WEEK + 2) * HOUR + 15 * step, 1, MEASURE) for step in range(50))

    assert [unusual(90), unusual(15)] == [True, False]


def test_years_of_silence_are_nothing() -> None:
    """After them what comes is judged by what was usual, and learning it takes no time."""
    season = Season()
    week_of(season, 1, 20)

    assert week_of(season, 500, 1) == []


def test_a_moment_is_no_burst() -> None:
    """Of as many, those that are spread over minutes are unusual, those of one moment are not; a great many are."""
    measure = msgspec.structs.replace(MEASURE, moment=60.0)

    def unusual(number: int, apart: int) -> bool:
        season = Season()
        week_of(season, 1, 5)
        at = 2 * WEEK * HOUR
        return sum(season.add(at + apart * step, 1, measure) for step in range(number)) > 0

    assert [unusual(40, 30), unusual(40, 1), unusual(90, 1)] == [True, False, True]


def test_when_books_are_closed_more_is_usual_for_who_rests() -> None:
    """Thrice as much is not unusual on the last day of a month for a client with nights; for one without it is."""
    measure = msgspec.structs.replace(MEASURE, closing=3.0)
    last_day = 30 * 24  # 31 January 1970, a Saturday, like the second and third

    def unusual(night: int) -> bool:
        season, steps = Season(), [False]
        for hour in range(1, last_day + 13):
            number = 60 if hour == last_day + 12 else 20 if 8 <= hour % 24 <= 20 else night
            steps = [season.add(hour * HOUR + 7 * step, 1, measure) for step in range(number)]
        return any(steps)

    assert [unusual(0), unusual(20)] == [False, True]

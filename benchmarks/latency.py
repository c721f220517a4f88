"""Times from a request to its answer, as they were: wrk prints others.

wrk adds times that it did not measure: for each that is longer than twice the mean interval between two requests of
a connection, as many as a sender at an even pace would have had in the meantime (its `stats_correct`, against
coordinated omission). Nobody here sends at an even pace: a connection waits for its answer, or thinks for a while. So
one slow second at the start would count as much as all that came after it.
"""

from __future__ import annotations

from collections.abc import Mapping


def uncorrected(counts: Mapping[int, int], requests: int, runtime: int, connections: int) -> dict[int, int]:
    """How often each time was measured, from what wrk has after its correction; times and runtime in microseconds.

    Each measured time of n put one more to n - i, n - 2 i, … above i, the interval, if n was at least 2 i. So the
    longest one stands as it was measured, and the others do once those that are longer are taken out.
    """
    times = dict(counts)
    if requests // connections > 0:
        interval = runtime // (requests // connections)
        for longest in sorted((time for time in times if time >= 2 * interval), reverse=True):
            for added in range(longest - interval, interval, -interval):
                times[added] -= times[longest]
    assert sum(times.values()) <= requests, "wrk has other times than it has answers"
    assert min(times.values(), default=0) >= 0, "wrk corrects in another way than it is taken back here"
    return {time: count for time, count in times.items() if count}


def percentile(times: Mapping[int, int], share: float) -> int:
    """The least time that this share of all (in percent) does not exceed. Raises ValueError where there is none."""
    wanted, seen = sum(times.values()) * share / 100, 0
    for time in sorted(times):
        seen += times[time]
        if seen >= wanted:
            return time
    raise ValueError("no time was measured")

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.latency import percentile, uncorrected


def corrected(times: dict[int, int], interval: int) -> dict[int, int]:
    """What wrk makes of times, in the order in which it does it."""
    counts = dict(times)
    for time in range(2 * interval, max(times) + 1):
        added = time - interval
        while counts.get(time, 0) and added > interval:
            counts[added] = counts.get(added, 0) + counts[time]
            added -= interval
    return counts


@given(st.dictionaries(st.integers(1, 400), st.integers(1, 5), min_size=1), st.integers(1, 8))
def test_what_wrk_adds_is_taken_out_again(times: dict[int, int], connections: int) -> None:
    """Whatever times there were, and however long the run was."""
    requests = sum(times.values())
    runtime = sum(time * count for time, count in times.items()) // connections + 50
    each = requests // connections
    counts = corrected(times, runtime // each) if each else times
    assert uncorrected(counts, requests, runtime, connections) == times


def test_other_times_than_wrk_has_are_not_believed() -> None:
    """Should it ever correct in another way."""
    with pytest.raises(AssertionError):
        uncorrected({10: 3}, 2, 100, 1)


@pytest.mark.parametrize(("share", "time"), [(1, 10), (50, 10), (51, 20), (99, 20), (99.5, 900)])
def test_a_percentile_is_a_time_that_was_measured(share: float, time: int) -> None:
    """The least that the share does not exceed."""
    assert percentile({900: 2, 20: 98, 10: 100}, share) == time

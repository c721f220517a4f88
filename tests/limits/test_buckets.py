"""Token buckets: never more than the burst at once and the rate over time, forgotten when full, bounded in number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.limits.buckets import Buckets, Limit

TEN = Limit("ten", rate=2.0, burst=10)
PENALTY = Limit("penalty", rate=2.0, burst=10, penalty=True)


def taken(buckets: Buckets, key: str, now: float, times: int) -> int:
    """How many of so many requests at once are let in."""
    return sum(buckets.take(key, now) == 0.0 for _ in range(times))


def test_a_burst_is_let_in_and_then_the_rate() -> None:
    """Ten at once, then one each half second, and after five seconds ten again."""
    buckets = Buckets(TEN)
    assert taken(buckets, "a", 100.0, 50) == 10
    assert buckets.wait("a", 100.0) == pytest.approx(0.5)
    assert taken(buckets, "a", 100.5, 50) == 1
    assert taken(buckets, "a", 102.0, 50) == 3
    assert taken(buckets, "a", 107.0, 50) == 10


def test_callers_have_buckets_of_their_own() -> None:
    """What one takes, another has."""
    buckets = Buckets(TEN)
    assert taken(buckets, "a", 100.0, 11) == 10
    assert taken(buckets, "b", 100.0, 11) == 10


def test_who_goes_on_stays_out_with_a_penalty() -> None:
    """What is refused counts: nothing is let in while it goes on, and everything ten seconds after it ended."""
    buckets = Buckets(PENALTY)
    assert taken(buckets, "a", 100.0, 1_000) == 10
    assert [taken(buckets, "a", 100.0 + second, 1_000) for second in range(1, 60)] == [0] * 59
    assert buckets.wait("a", 159.0) == pytest.approx(10.5)
    assert taken(buckets, "a", 174.5, 50) == 10


@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 20)), max_size=30),
    st.floats(0.1, 50),
    st.integers(1, 40),
)
def test_it_is_the_token_bucket_of_the_books(asked: list[tuple[float, int]], rate: float, burst: int) -> None:
    """A bucket of `burst` tokens, filled at `rate`, each request takes one: the same are let in."""
    buckets, tokens, now = Buckets(Limit("books", rate, burst)), float(burst), 100.0
    for later, times in asked:
        now += later
        tokens = min(float(burst), tokens + later * rate)
        for _ in range(times):
            let_in = buckets.take("a", now) == 0.0
            if abs(tokens - 1.0) > 1e-3 * max(1.0, rate):  # at the edge, binary fractions decide
                assert let_in == (tokens >= 1.0)
            tokens -= let_in


def test_no_rate_is_no_limit() -> None:
    """Everything is let in, and nothing is held in memory."""
    buckets = Buckets(Limit("off", rate=0.0, burst=1))
    assert taken(buckets, "a", 100.0, 10_000) == 10_000
    assert (len(buckets), buckets.to_share()) == (0, [])


def test_memory_is_bounded() -> None:
    """Of too many callers the one is forgotten that has not asked for the longest time, and full buckets always."""
    buckets = Buckets(TEN, most=3)
    for moment, key in enumerate("abcad"):
        assert taken(buckets, key, 100.0 + moment / 100, 10 if key == "a" else 1) >= 0
    assert len(buckets) == 3
    assert buckets.wait("b", 100.1) == 0.0
    assert buckets.wait("a", 100.1) > 0.0
    buckets.forget_full(200.0)
    assert len(buckets) == 0


def test_small_amounts_are_not_shared() -> None:
    """A twentieth of the burst is, once; what could not be shared is told the next time."""
    buckets = Buckets(Limit("shared", rate=2.0, burst=100))
    taken(buckets, "a", 100.0, 4)
    taken(buckets, "b", 100.0, 7)
    (told,) = buckets.to_share()
    assert told == ("b", 7.0)
    assert buckets.to_share() == []
    buckets.not_shared([told])
    taken(buckets, "b", 100.0, 1)
    taken(buckets, "a", 100.0, 1)
    assert sorted(buckets.to_share()) == [("a", 5.0), ("b", 8.0)]


def test_what_all_took_counts_here() -> None:
    """The bucket lacks what all workers took together, and what was taken here since."""
    buckets = Buckets(TEN)
    taken(buckets, "a", 100.0, 4)
    buckets.to_share()
    taken(buckets, "a", 100.0, 1)
    buckets.shared({"a": 8.0}, 100.0)
    assert taken(buckets, "a", 100.0, 5) == 1

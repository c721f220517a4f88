"""What the relay decides to do next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.journal.relay_plan import Bounds, Continue, Create, Halt, Plan, Recreate, StreamState, Tail, decide

EMPTY = StreamState(first=1, last=0, messages=0, deleted=0)
THREE = StreamState(first=1, last=3, messages=3, deleted=0)


@pytest.mark.parametrize(
    ("stream", "journal", "tail", "expected"),
    [
        (None, Bounds(1, 0), Tail.NOT_STORED, Create(1)),
        (None, Bounds(1, 9), Tail.NOT_STORED, Create(1)),
        (None, Bounds(7, 9), Tail.NOT_STORED, Create(7)),
        (EMPTY, Bounds(1, 0), Tail.NOT_STORED, Continue(0)),
        (EMPTY, Bounds(1, 9), Tail.NOT_STORED, Continue(0)),
        (THREE, Bounds(1, 3), Tail.SAME, Continue(3)),
        (THREE, Bounds(1, 9), Tail.SAME, Continue(3)),
        (THREE, Bounds(2, 9), Tail.SAME, Continue(3)),
        (THREE, Bounds(4, 9), Tail.NOT_KEPT, Continue(3)),
        (StreamState(7, 9, 3, 0), Bounds(7, 9), Tail.SAME, Continue(9)),
        (StreamState(2, 3, 2, 0), Bounds(1, 9), Tail.SAME, Recreate(1, "it begins at 2, the journal at 1")),
        (StreamState(4, 3, 0, 0), Bounds(1, 9), Tail.NOT_STORED, Recreate(1, "it begins at 4, the journal at 1")),
        (StreamState(1, 3, 2, 1), Bounds(1, 9), Tail.SAME, Recreate(1, "1 of its messages are missing")),
        (StreamState(1, 3, 2, 0), Bounds(1, 9), Tail.NOT_STORED, Recreate(1, "1 of its messages are missing")),
        (StreamState(5, 4, 0, 0), Bounds(1, 3), Tail.NOT_STORED, Recreate(1, "it begins at 5, the journal at 1")),
    ],
)
def test_each_state_of_the_stream_has_its_plan(
    stream: StreamState | None, journal: Bounds, tail: Tail, expected: Plan
) -> None:
    """A missing stream is made, a shorter one continued, a cut one made anew."""
    assert decide(stream, journal, tail) == expected


@pytest.mark.parametrize(
    ("stream", "journal", "tail", "told"),
    [
        (THREE, Bounds(1, 2), Tail.NOT_STORED, "the stream holds sequence 3, but the journal ends at 2"),
        (THREE, Bounds(1, 9), Tail.DIFFERENT, "the stream's message at sequence 3 is not the journal's event"),
        (THREE, Bounds(1, 9), Tail.NOT_KEPT, "the journal has no event at position 3"),
        (THREE, Bounds(6, 9), Tail.NOT_KEPT, "the stream ends at 3 and the journal keeps nothing before 6"),
        (StreamState(2, 3, 2, 0), Bounds(1, 9), Tail.DIFFERENT, "the stream's message at sequence 3 is not"),
    ],
)
def test_what_only_the_stream_holds_halts(stream: StreamState, journal: Bounds, tail: Tail, told: str) -> None:
    """Nothing is published over and nothing is deleted, and the reason names the sequence."""
    plan = decide(stream, journal, tail)
    assert isinstance(plan, Halt)
    assert plan.reason.startswith(told)


@given(
    first=st.integers(1, 5),
    kept=st.integers(0, 8),
    stream_first=st.integers(1, 8),
    length=st.integers(0, 8),
    missing=st.integers(0, 8),
    tail=st.sampled_from(Tail),
)
def test_only_a_dense_beginning_of_the_journal_is_continued(
    first: int, kept: int, stream_first: int, length: int, missing: int, tail: Tail
) -> None:
    """Continuing keeps sequence = position without gaps; deleting never touches what the journal does not have."""
    missing = min(missing, length)
    state = StreamState(stream_first, stream_first + length - 1, length - missing, missing)
    journal = Bounds(first, first + kept - 1)
    plan = decide(state, journal, tail)
    if isinstance(plan, Continue):
        assert plan.after == state.last
        assert missing == 0
        assert state.first <= journal.first <= state.last + 1
        assert state.last <= journal.head or length == 0
        assert tail is not Tail.DIFFERENT or length == 0
    if isinstance(plan, Recreate):
        assert plan.first == journal.first
        assert state.last <= journal.head or state.messages == 0

"""Refusals that wait to be reported."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tallystick_guard.waiting import Waiting


@given(st.lists(st.one_of(st.booleans(), st.integers(0, 4)), max_size=60), st.integers(1, 6))
def test_what_waits_is_bounded_and_counted(steps: list[bool | int], most: int) -> None:
    """Whatever comes and is sent: so many at most, each kept, sent or counted, no known one dropped for others."""
    waiting = Waiting(most)
    put = sent = 0
    for step in steps:
        if isinstance(step, bool):
            put += 1
            known_waiting = sum(each["token_id"] is not None for each in waiting.first(most))
            waiting.put({"token_id": str(put) if step else None})
            now = [each["token_id"] for each in waiting.first(most) if each["token_id"] is not None]
            assert len(now) == min(most, known_waiting + step)
        else:
            batch = waiting.first(step)
            sent += len(batch)
            waiting.remove(batch)
        assert len(waiting) <= most
        assert put == sent + len(waiting) + waiting.dropped

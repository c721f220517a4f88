"""When it is tried again: pure rules, with a clock of the test's."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.webhooks.retries import SCHEDULE, Breaker, delay
from consumers.webhooks.waiting import Waiting, WaitingEvents
from schema.envelope import RecordedEvent
from service.settings import Settings


def half() -> float:
    """No jitter."""
    return 0.5


def test_the_default_attempts_span_three_days() -> None:
    """An endpoint that is down over a weekend loses nothing."""
    attempts = Settings().webhook_attempts
    waits = [delay(failed, half) for failed in range(1, attempts)]
    assert list(SCHEDULE) == waits
    assert 3.0 < sum(waits) / 86_400 < 3.5


def test_later_attempts_come_once_a_day() -> None:
    """Where more attempts are set, they go on daily."""
    assert (delay(10, half), delay(99, half)) == (86_400.0, 86_400.0)


def test_chance_spreads_the_waits() -> None:
    """What failed together comes back apart: by up to a tenth either way."""
    assert (delay(1, lambda: 0.0), delay(1, lambda: 1.0)) == (4.5, 5.5)


def test_the_breaker_opens_after_five_failures_in_a_row() -> None:
    """One failure or four change nothing; from the fifth on there is one attempt at a time, after a wait."""
    breaker = Breaker(half)
    for _ in range(4):
        breaker.failed(100.0)
    assert (breaker.room(100.0, 0, 8), breaker.room(100.0, 3, 8)) == (8, 5)
    breaker.failed(100.0)
    assert (breaker.room(104.9, 0, 8), breaker.room(105.0, 0, 8), breaker.room(105.0, 1, 8)) == (0, 1, 0)


def test_its_waits_double_up_to_five_minutes_and_begin_anew_after_a_success() -> None:
    """A dead endpoint is asked every five minutes; one that came back is trusted again."""
    breaker, now, waits = Breaker(half), 0.0, []
    for _ in range(4):
        breaker.failed(now)
    for _ in range(9):
        breaker.failed(now)
        waits.append(breaker.retry_at - now)
        now = breaker.retry_at
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert (breaker.succeeded(), breaker.succeeded(), breaker.room(now, 0, 8)) == (True, False, 8)


def test_failures_of_what_was_under_way_do_not_lengthen_the_wait() -> None:
    """Eight attempts that fail together are one reason to wait."""
    breaker = Breaker(half)
    for _ in range(8):
        breaker.failed(0.0)
    assert breaker.retry_at == 5.0


def test_an_answer_that_asks_to_wait_is_heard_at_once() -> None:
    """Retry-After opens the breaker without any count."""
    breaker = Breaker(half)
    breaker.failed(0.0, 30.0)
    assert (breaker.room(29.0, 0, 8), breaker.room(30.0, 0, 8)) == (0, 1)


def event(position: int, stream: int) -> RecordedEvent:
    """Some event of a stream."""
    return RecordedEvent(
        position=position,
        stream=UUID(int=stream),
        version=position,
        type="client.enabled",
        client="a",
        data="{}",
        actor="x",
        source=None,
        trace=None,
        recorded_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    )


@given(st.lists(st.integers(0, 4), max_size=40), st.randoms(use_true_random=False))
def test_whatever_fails_each_stream_stays_in_order(streams: list[int], chance: random.Random) -> None:
    """Of each stream one event at most is under way, and events are done in the order of their positions."""
    waiting, done, now = WaitingEvents(), defaultdict[UUID, list[int]](list), 0.0
    waiting.add(Waiting(event=event(position, stream), since=0.0) for position, stream in enumerate(streams, 1))
    under_way: list[Waiting] = []
    while len(waiting):
        probing = chance.random() < 0.2
        for each in waiting.probe() if probing else waiting.ready(now, 3 - len(under_way)):
            each.busy = True
            under_way.append(each)
        assert len({each.event.stream for each in under_way}) == len(under_way)
        if not under_way:
            now = max(now, waiting.next_due() or 0.0)
            continue
        one = under_way.pop(chance.randrange(len(under_way)))
        if chance.random() < 0.4:
            one.failed(now, now + 5.0 if now >= one.due else one.due, "HTTP 500")
            one.busy = False
        else:
            waiting.done(one)
            done[one.event.stream].append(one.position)
            waiting.hasten()
        now += 1.0
    expected = defaultdict[UUID, list[int]](list)
    for position, stream in enumerate(streams, 1):
        expected[UUID(int=stream)].append(position)
    assert expected == done


def test_an_attempt_before_its_time_is_not_counted_and_not_repeated() -> None:
    """Where the endpoint came back, each event is tried once more at once; what then fails waits until it is due."""
    waiting = WaitingEvents()
    (one,) = [Waiting(event=event(1, 1), since=0.0)]
    waiting.add([one])
    one.failed(0.0, 300.0, "HTTP 500")
    assert waiting.ready(1.0, 8) == []
    waiting.hasten()
    assert [one] == waiting.ready(1.0, 8)
    one.failed(1.0, one.due, "HTTP 500")
    waiting.hasten()
    assert ([], [one], 1) == (waiting.ready(299.0, 8), waiting.ready(300.0, 8), one.attempts)


def test_a_probe_takes_what_was_tried_the_longest_ago() -> None:
    """One event that always fails does not keep the others from finding out that the endpoint is well."""
    waiting = WaitingEvents()
    first, second = Waiting(event=event(1, 1), since=0.0), Waiting(event=event(2, 2), since=0.0)
    waiting.add([first, second])
    tried = []
    for now in (1.0, 2.0, 3.0):
        (probed,) = waiting.probe()
        tried.append(probed.position)
        probed.failed(now, now + 1000.0, "HTTP 500")
    assert tried == [1, 2, 1]


def test_only_the_first_of_a_stream_is_done() -> None:
    """What is done makes way for the next; one that was tried out of order is a mistake that is not passed over."""
    waiting = WaitingEvents()
    first, second, third = (Waiting(event=event(position, 1), since=0.0) for position in (1, 2, 3))
    waiting.add([first, second, third])
    waiting.done(first)
    assert ([second, third], 2) == (list(waiting), len(waiting))
    with pytest.raises(AssertionError):
        waiting.done(third)

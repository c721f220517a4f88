from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from projections.login_failures import LoginFailures
from projections.state import WorkerState, takes_away
from schema import events
from schema.envelope import Fact, RecordedEvent
from schema.streams import new_stream
from tests.projections.histories import MOMENT

ACCOUNTS, NAMES, SOURCES = ("one", "two"), ("digest-1", "digest-2"), ("192.0.2.1", "2001:db8::1", None)


def failed(
    second: int = 0,
    *,
    subject: str | None = None,
    name_digest: str | None = None,
    source: str | None = None,
    method: str = "pwd",
    position: int = 1,
) -> Fact:
    """A sign-in that failed, some seconds after the moment."""
    event = events.LoginFailed(reason="wrong", method=method, subject=subject, name_digest=name_digest)
    return Fact(position, new_stream(), 1, event, MOMENT + dt.timedelta(seconds=second), source)


def seconds(moments: tuple[float, ...]) -> list[int]:
    """Moments as seconds after the moment."""
    return [int(each - MOMENT.timestamp()) for each in moments]


@st.composite
def histories(draw: st.DrawFn) -> list[Fact]:
    """Failures of accounts and of names that are nobody's, from here and there."""
    return [
        failed(
            second,
            **draw(
                st.sampled_from([{"subject": each} for each in ACCOUNTS] + [{"name_digest": each} for each in NAMES])
            ),
            source=draw(st.sampled_from(SOURCES)),
            position=second + 1,
        )
        for second in range(draw(st.integers(0, 30)))
    ]


def contents(failures: LoginFailures) -> list[tuple[float, ...]]:
    """All that the fold holds."""
    return [failures.of_account(key) for key in (*ACCOUNTS, *NAMES)] + [failures.of_source(each) for each in SOURCES]


@given(histories(), st.randoms())
def test_order_does_not_matter(facts: list[Fact], random: object) -> None:
    """What is read at the start and what comes by the feed may be folded in any order."""
    shuffled = facts[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis' Random
    one, other = LoginFailures(5), LoginFailures(5)
    for fact in facts:
        one.apply(fact)
    for fact in shuffled:
        other.apply(fact)
    assert contents(one) == contents(other)


@given(histories())
def test_a_worker_folds_them_from_stored_bytes(facts: list[Fact]) -> None:
    """A worker's state holds the same, from what the journal gives back."""
    one, state = LoginFailures(50), WorkerState(grant_limit=10)
    for fact in facts:
        one.apply(fact)
        recorded = RecordedEvent(
            position=fact.position,
            stream=fact.stream,
            version=1,
            type=fact.event.TYPE,
            client="_",
            data=events.encode(fact.event).decode(),
            actor="_",
            source=fact.source,
            trace=None,
            recorded_at=fact.recorded_at,
        )
        state.apply(recorded.fact())
    assert contents(one) == contents(state.login_failures)


def test_the_latest_are_kept() -> None:
    """Of one account, as many as may matter."""
    failures = LoginFailures(3)
    for second in range(10):
        failures.apply(failed(second, subject="one", source="192.0.2.1"))
    assert seconds(failures.of_account("one")) == [7, 8, 9]
    assert seconds(failures.of_source("192.0.2.1")) == [7, 8, 9]


def test_memory_is_bounded_under_attack() -> None:
    """However many names and addresses somebody makes up, so many are held, those that failed most recently."""
    failures = LoginFailures(3, limit=10)
    for number in range(1_000):
        failures.apply(failed(number, name_digest=f"name-{number}", source=f"10.0.{number // 250}.{number % 250}"))
    held = [number for number in range(1_000) if failures.of_account(f"name-{number}")]
    assert held == list(range(990, 1_000))
    assert len(failures._sources._moments) == len(failures._names._moments) == 10


def test_made_up_names_push_no_account_out() -> None:
    """Whoever is attacked stays throttled whatever else the attacker tries."""
    failures = LoginFailures(3, limit=10)
    failures.apply(failed(0, subject="one"))
    for number in range(1_000):
        failures.apply(failed(number, name_digest=f"name-{number}"))
    assert seconds(failures.of_account("one")) == [0]


def test_an_account_that_fails_again_is_the_last_to_go() -> None:
    """The one that failed least recently goes first."""
    failures = LoginFailures(3, limit=2)
    for second, subject in enumerate(("one", "two", "one", "three")):
        failures.apply(failed(second, subject=subject))
    assert [seconds(failures.of_account(each)) for each in ("one", "two", "three")] == [[0, 2], [], [3]]


def test_a_passkey_counts_for_nothing() -> None:
    """It cannot be guessed, so failing at it locks nobody out: not the account, and not others at its source."""
    failures = LoginFailures()
    failures.apply(failed(subject="one", source="192.0.2.1", method="passkey"))
    assert (failures.of_account("one"), failures.of_source("192.0.2.1")) == ((), ())


def test_a_failure_takes_nothing_away() -> None:
    """No worker has to hear of it at once: whoever answers a revocation does not wait for it."""
    assert not takes_away(failed().event)

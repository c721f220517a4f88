from __future__ import annotations

import pytest
from hypothesis import given

from projections.accounts import Account
from projections.sessions import Session, SessionCache
from projections.state import WorkerState
from schema import events
from schema.envelope import Fact
from tests.projections.feeding import of_stream
from tests.projections.histories import MOMENT
from tests.projections.people_histories import SESSIONS, session, session_histories, subject_of

ALPHA = Account(subject=subject_of("alpha"), name="alpha")
ENDED = events.SessionEnded(subject=ALPHA.subject, reason="person")
STARTED = session(events.SessionStarted)
RENEWED = session(events.SessionRenewed, at=300, digest="cookie-2", amr=("pwd", "otp"), acr="2fa")


def folded(*happened: events.Event) -> Session:
    """The session that this makes; its first event is at position 11."""
    facts = (Fact(10 + number, SESSIONS[0], number, event, MOMENT) for number, event in enumerate(happened, 1))
    return SessionCache(1).fold(facts)


def test_a_renewal_replaces_the_cookie_and_the_sign_in() -> None:
    """It is still the same session, which began when it began."""
    before, after = folded(STARTED), folded(STARTED, RENEWED)
    assert (
        before.digest,
        before.started_at,
        before.auth_time,
        before.amr,
        before.acr,
        before.position,
    ) == ("cookie", 100, 100, ("pwd",), "1fa", 11)
    assert (
        after.digest,
        after.started_at,
        after.auth_time,
        after.amr,
        after.acr,
        after.position,
    ) == ("cookie-2", 100, 300, ("pwd", "otp"), "2fa", 12)


def test_telling_a_client_changes_nothing_of_a_session() -> None:
    """A notification is recorded, and that is all."""
    told = folded(STARTED, ENDED, events.LogoutNotified(client_id="web", subject=ALPHA.subject, delivered=True))
    ended = folded(STARTED, ENDED)
    assert (3, True, ended.digest) == (told.version, told.ended, told.digest)


@pytest.mark.parametrize(
    ("happened", "account", "now", "expected"),
    [
        ((STARTED,), ALPHA, 100, True),
        ((STARTED,), ALPHA, 699.9, True),
        ((STARTED,), ALPHA, 700, False),
        ((STARTED, RENEWED), ALPHA, 800, True),
        ((STARTED, ENDED), ALPHA, 100, False),
        ((STARTED, ENDED, RENEWED), ALPHA, 300, False),
        ((STARTED,), None, 100, False),
        ((STARTED,), Account(subject="somebody-else", name="alpha"), 100, False),
        ((STARTED,), Account(subject=ALPHA.subject, name="alpha", enabled=False), 100, False),
        ((STARTED,), Account(subject=ALPHA.subject, name="alpha", sessions_after=10), 100, True),
        ((STARTED,), Account(subject=ALPHA.subject, name="alpha", sessions_after=11), 100, False),
        ((STARTED, RENEWED), Account(subject=ALPHA.subject, name="alpha", sessions_after=11), 300, True),
        ((STARTED, RENEWED), Account(subject=ALPHA.subject, name="alpha", sessions_after=12), 300, False),
        ((), ALPHA, 100, False),
    ],
)
def test_alive(happened: tuple[events.Event, ...], account: Account | None, now: float, *, expected: bool) -> None:
    """It is its account's, and neither ended, nor expired, nor from before what ended all of that account's."""
    assert expected == folded(*happened).alive(account, now)


def test_ended_sessions_are_swept_when_they_have_expired() -> None:
    """Sessions whose time is over go as new ones come, without any limit being reached."""
    cache = SessionCache(1_000_000)
    for second in range(1_000):
        started = session(events.SessionStarted, at=second, expires_at=second + 50)
        cache.apply(Fact(second + 1, SESSIONS[0].__class__(int=second), 1, started, MOMENT))
    assert len(cache) <= 102


@given(session_histories())
def test_a_worker_folds_the_same_sessions(facts: list[Fact]) -> None:
    """A worker's state holds the same sessions, at the position of the last event."""
    state = WorkerState(grant_limit=1)
    for fact in facts:
        state.apply(fact)
    assert len(facts) == state.position
    for stream in {fact.stream for fact in facts}:
        assert SessionCache(1).fold(of_stream(facts, stream)) == state.sessions.get(stream)

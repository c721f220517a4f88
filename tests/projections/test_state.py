from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from projections import access_model, accounts, state
from projections.state import WorkerState
from schema import events
from schema.envelope import Fact
from tests.projections.grant_histories import grant_histories
from tests.projections.histories import GRANTS, access_histories, key_histories
from tests.projections.people_histories import SESSIONS, account_histories, consent_histories, session_histories
from tests.projections.test_access_model import reread


@st.composite
def everything(draw: st.DrawFn) -> list[Fact]:
    """Histories of every kind, one beside the other, at dense positions."""
    kinds = (access_histories, account_histories, consent_histories, key_histories, grant_histories, session_histories)
    waiting = [draw(each()) for each in kinds]
    turns = draw(st.permutations([number for number, each in enumerate(waiting) for _ in each]))
    return [waiting[turn].pop(0)._replace(position=position) for position, turn in enumerate(turns, 1)]


def folded(facts: list[Fact]) -> WorkerState:
    """The state of a worker that heard of them all."""
    worker = WorkerState(grant_limit=100)
    for fact in facts:
        worker.apply(fact)
    return worker


def contents(worker: WorkerState, facts: list[Fact]) -> dict[str, Any]:
    """All that a worker knows."""
    streams = {fact.stream for fact in facts}
    return {
        "model": (worker.access.resources, worker.access.roles, worker.access.clients),
        "accounts": worker.accounts.by_subject,
        "consents": {subject: worker.consents.of_subject(subject) for subject in worker.accounts.by_subject},
        "keys": worker.keys.keys,
        "grants": {stream: worker.grants.get(stream) for stream in streams},
        "sessions": {stream: worker.sessions.get(stream) for stream in streams},
        "position": worker.position,
    }


@given(everything())
@settings(max_examples=40)
def test_rebuilt_from_the_journal_equals_live(facts: list[Fact]) -> None:
    """A worker that starts anew knows what one knows that was there from the beginning."""
    assert contents(folded(facts), facts) == contents(folded(reread(facts)), facts)


@given(everything())
@settings(max_examples=40)
def test_grants_and_sessions_are_what_their_own_streams_make(facts: list[Fact]) -> None:
    """Whatever happens beside it, a grant or a session is told by its own stream alone."""
    whole = folded(facts)
    for stream in (*GRANTS, *SESSIONS):
        alone = folded([fact for fact in facts if fact.stream == stream])
        assert whole.grants.get(stream) in (None, alone.grants.get(stream))
        assert whole.sessions.get(stream) in (None, alone.sessions.get(stream))


def test_every_event_type_has_its_fold() -> None:
    """What a worker does with an event is decided for each type; none is passed over by accident."""
    of_keys = {events.KeyCreated, events.KeyActivated, events.KeyRetired}
    of_consents = {events.ConsentGranted, events.ConsentWithdrawn}
    others = {events.AccessRejected, events.LoginFailed, events.TokenSourceObserved, *state._OF_NO_ANSWER}
    folded_here = {*state._OF_GRANTS, *state._OF_SESSIONS, *access_model._HANDLERS, *accounts._HANDLERS}
    assert set(events.EVENT_TYPES.values()) == {*folded_here, *of_keys, *of_consents, *others}

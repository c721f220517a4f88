from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given

from projections.consents import Consents
from projections.state import WorkerState
from schema import events
from schema.envelope import Fact
from schema.streams import client_stream, consent_stream
from tests.projections.histories import MOMENT, NAMES, Writer
from tests.projections.people_histories import CLIENTS, consent_histories, subject_of
from tests.projections.test_access_model import reread

PAIRS = tuple((subject_of(name), client_id) for name in NAMES for client_id in CLIENTS)
WITHDRAWN = events.ConsentWithdrawn(client_id="web", subject="zoe")


def folded(facts: Iterable[Fact]) -> Consents:
    """The consents that some facts make."""
    consents = Consents()
    for fact in facts:
        consents.apply(fact)
    return consents


def contents(consents: Consents) -> list[object]:
    """All that the fold holds."""
    return [(consents.scopes(*pair), consents.version_of(consent_stream(*pair))) for pair in PAIRS]


def allowed(*scopes: str) -> events.ConsentGranted:
    """Zoe allows the web application this."""
    return events.ConsentGranted(client_id="web", subject="zoe", scopes=scopes)


def consents_of(*happened: events.Event) -> Consents:
    """What this makes."""
    writer = Writer()
    for event in happened:
        of_client = isinstance(event, events.ClientRegistered | events.ClientRemoved)
        writer.write(client_stream("web") if of_client else consent_stream("zoe", "web"), event)
    return folded(writer.facts)


@given(consent_histories())
def test_rebuilt_from_the_journal_equals_live(facts: list[Fact]) -> None:
    """The consents folded from stored bytes are those folded from the events as they happened."""
    assert contents(folded(facts)) == contents(folded(reread(facts)))


@given(consent_histories())
def test_a_worker_folds_the_same_consents(facts: list[Fact]) -> None:
    """A worker's state holds the same consents, at the position of the last event."""
    state = WorkerState(grant_limit=1)
    for fact in facts:
        state.apply(fact)
    assert contents(folded(facts)) == contents(state.consents)
    assert len(facts) == state.position


@given(consent_histories())
def test_nothing_is_allowed_but_what_was_since_the_last_withdrawal(facts: list[Fact]) -> None:
    """What a client may have of a person, they allowed since they last withdrew it and since the client came."""
    given_now: dict[tuple[str, str], set[str]] = {}
    for fact in facts:
        match fact.event:
            case events.ConsentGranted() as event:
                given_now.setdefault((event.subject, event.client_id), set()).update(event.scopes)
            case events.ConsentWithdrawn() as event:
                given_now.pop((event.subject, event.client_id), None)
            case events.ClientRemoved() as event:
                given_now = {pair: scopes for pair, scopes in given_now.items() if pair[1] != event.client_id}
    consents = folded(facts)
    assert {pair: consents.scopes(*pair) for pair in PAIRS} == {pair: given_now.get(pair, set()) for pair in PAIRS}


def test_consents_add_up_until_they_are_withdrawn() -> None:
    """A later consent adds to those before; a withdrawal ends all of them."""
    both, later = (allowed("openid"), allowed("read:a")), allowed("email")
    assert {"openid", "read:a"} == consents_of(*both).scopes("zoe", "web")
    assert frozenset() == consents_of(*both, WITHDRAWN).scopes("zoe", "web")
    assert {"email"} == consents_of(*both, WITHDRAWN, later).scopes("zoe", "web")


def test_a_client_that_comes_back_is_another_one() -> None:
    """Consents end with their client, so that a later one of its id has none of them."""
    gone = consents_of(allowed("openid"), events.ClientRemoved(client_id="web"))
    assert (frozenset(), 1) == (gone.scopes("zoe", "web"), gone.version_of(consent_stream("zoe", "web")))


def test_a_consent_behind_the_removal_is_not_the_next_clients() -> None:
    """Who had not heard of the removal allowed the client of before."""
    registered = events.ClientRegistered(client_id="web", auth_method="none")
    again = consents_of(registered, events.ClientRemoved(client_id="web"), allowed("openid"), registered)
    assert frozenset() == again.scopes("zoe", "web")


def test_of_subject_looks_at_theirs_alone() -> None:
    """However many others allow something, a page of one person looks at what is theirs."""
    looked_at: list[str] = []

    class Scopes(dict[str, frozenset[str]]):
        """Tells whose were looked at."""

        def items(self) -> Any:
            """As a dict does."""
            looked_at.extend(self)
            return super().items()

    consents = Consents()
    for number in range(100):
        event = events.ConsentGranted(client_id=f"web-{number}", subject=f"person-{number}", scopes=("openid",))
        stream = consent_stream(event.subject, event.client_id)
        consents.apply(Fact(number + 1, stream, 1, event, MOMENT))
    consents._allowed = {subject: Scopes(allowed) for subject, allowed in consents._allowed.items()}
    assert consents.of_subject("person-7") == {"web-7": {"openid"}}
    assert looked_at == ["web-7"]


def test_nothing_is_left_of_who_allows_nothing() -> None:
    """Withdrawn, or gone with the client, a consent takes no memory."""
    for gone in (WITHDRAWN, events.ClientRemoved(client_id="web")):
        assert consents_of(allowed("openid"), gone)._allowed == {}


def test_of_subject_is_theirs_alone() -> None:
    """A person sees the clients that they allow something, and nobody else's."""
    assert {"web": {"openid"}} == consents_of(allowed("openid")).of_subject("zoe")
    assert consents_of(allowed("openid")).of_subject("somebody-else") == {}
    assert consents_of(allowed("openid"), WITHDRAWN).of_subject("zoe") == {}

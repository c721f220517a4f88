from collections.abc import Iterable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.grants import Grant, GrantCache, fold_grant
from projections.state import WorkerState, takes_away
from schema import events
from schema.envelope import Fact
from schema.streams import new_stream
from tests.projections.histories import GRANTS, MOMENT, Writer, grant_histories, issued
from tests.projections.test_access_model import reread
from tests.schema.samples import SAMPLES

GRANT = GRANTS[0]
REVOKED = events.TokenRevoked(number=1, client_id="alpha", reason="client_request")


def of_grant(facts: Iterable[Fact], grant_id: UUID) -> list[Fact]:
    """The facts of one grant."""
    return [fact for fact in facts if fact.stream == grant_id]


def history(*happened: events.Event) -> list[Fact]:
    """Facts of one grant, in order."""
    writer = Writer()
    for event in happened:
        writer.write(GRANT, event)
    return writer.facts


@given(grant_histories())
def test_rebuilt_from_the_journal_equals_live(facts: list[Fact]) -> None:
    """A grant kept up to date by the feed is the one that its own stream makes, for each grant."""
    cache = GrantCache(100)
    for fact in facts:
        cache.apply(fact)
    for grant_id in {fact.stream for fact in facts}:
        assert fold_grant(reread(of_grant(facts, grant_id))) == cache.get(grant_id)


@given(grant_histories(), st.data())
def test_folding_an_event_again_changes_nothing(facts: list[Fact], data: st.DataObject) -> None:
    """Events that come twice, by a load and by the feed, count once."""
    mine = of_grant(facts, facts[0].stream)
    again = data.draw(st.integers(0, len(mine)))
    assert fold_grant(mine) == fold_grant([*mine[:again], *mine[:again], *mine[again:]])


@given(grant_histories(), st.data())
def test_no_interleaving_of_load_and_feed_hides_a_revocation(facts: list[Fact], data: st.DataObject) -> None:
    """Whatever was committed when a read was made, and however the feed runs beside it, the grant is whole after."""
    grant_id = facts[0].stream
    limit = data.draw(st.sampled_from((1, 2, 100)))
    cache, fed = GrantCache(limit), 0

    def feed_up_to(position: int) -> None:
        nonlocal fed
        for fact in facts[fed:position]:
            cache.apply(fact)
        fed = max(fed, position)

    places = st.integers(0, len(facts))
    begun, read_at, done = sorted(data.draw(st.tuples(places, places, places)))
    feed_up_to(begun)
    if cache.get(grant_id) is not None:
        return
    cache.begin_load(grant_id)
    # The read sees all that was committed before it: all that the feed brought, and perhaps more.
    seen = data.draw(st.integers(read_at, len(facts)))
    feed_up_to(read_at)
    read = of_grant(facts[:seen], grant_id)
    feed_up_to(done)
    loaded = cache.finish_load(grant_id, read, now=100)
    mine = of_grant(facts, grant_id)
    version = loaded.version if loaded else 0
    assert len(of_grant(facts[:fed], grant_id)) <= version
    assert fold_grant(mine[:version]) == (loaded or Grant())
    feed_up_to(len(facts))
    kept = cache.get(grant_id)
    assert kept is None or kept == fold_grant(mine)


@given(grant_histories(), st.integers(1, 8))
def test_never_more_than_the_limit(facts: list[Fact], limit: int) -> None:
    """The cache is bounded whatever comes, by feed or by load, and what it holds is right."""
    cache = GrantCache(limit)
    for fact in facts:
        cache.apply(fact)
        assert len(cache) <= limit
    for grant_id in GRANTS:
        if cache.get(grant_id) is None:
            cache.begin_load(grant_id)
            cache.finish_load(grant_id, of_grant(facts, grant_id), now=100)
        assert len(cache) <= limit
    held = {grant: kept for grant in GRANTS if (kept := cache.get(grant)) is not None}
    assert {grant: fold_grant(of_grant(facts, grant)) for grant in held} == held


def test_expired_grants_are_swept() -> None:
    """Grants whose tokens have all expired go as new ones come, without any limit being reached."""
    cache = GrantCache(1_000_000)
    for second in range(2_000):
        grant_id = new_stream()
        cache.apply(Fact(second + 1, grant_id, 1, issued(at=second, lifetime=50), MOMENT))
    assert len(cache) <= 102


def test_living_grants_are_not_swept() -> None:
    """A grant with a living token stays as long as there is room."""
    cache = GrantCache(1_000)
    for second in range(500):
        cache.apply(Fact(second + 1, new_stream(), 1, issued(at=second, lifetime=86_400), MOMENT))
    assert len(cache) == 500


def test_a_revocation_that_arrives_during_a_load_counts() -> None:
    """The read saw the token alone; the feed brought its revocation before the read came back."""
    cache, facts = GrantCache(10), history(issued(), REVOKED)
    cache.begin_load(GRANT)
    cache.apply(facts[1])
    grant = cache.finish_load(GRANT, facts[:1], now=200)
    assert grant is not None
    assert not grant.active(1, 200)


def test_an_abandoned_load_leaves_nothing() -> None:
    """After a read that failed the next load starts anew."""
    cache, facts = GrantCache(10), history(issued(), REVOKED)
    cache.begin_load(GRANT)
    cache.apply(facts[1])
    cache.abandon_load(GRANT)
    assert cache.get(GRANT) is None
    cache.begin_load(GRANT)
    loaded = cache.finish_load(GRANT, facts, now=200)
    assert loaded == fold_grant(facts)


def test_a_grant_without_events_is_none() -> None:
    """A grant id that leads nowhere is not a grant, and is not kept."""
    cache = GrantCache(10)
    cache.begin_load(GRANT)
    assert cache.finish_load(GRANT, [], now=200) is None
    assert len(cache) == 0


def test_an_expired_grant_that_is_loaded_is_told_but_not_kept() -> None:
    """What has expired is answered once and takes no room."""
    cache = GrantCache(10)
    cache.begin_load(GRANT)
    assert cache.finish_load(GRANT, history(issued(at=0, lifetime=10)), now=200) is not None
    assert len(cache) == 0


@pytest.mark.parametrize(
    ("happened", "number", "now", "expected"),
    [
        ((issued(),), 1, 200, True),
        ((issued(),), 2, 200, False),
        ((issued(),), 1, 699.9, True),
        ((issued(),), 1, 700, False),
        ((issued(), REVOKED), 1, 200, False),
        ((issued(), issued(2), REVOKED), 2, 200, True),
        ((issued(), issued(2), events.GrantRevoked(client_id="alpha", reason="operator")), 2, 200, False),
        ((issued(), events.GrantRevoked(client_id="alpha", reason="operator"), issued(2)), 2, 200, False),
    ],
)
def test_active(happened: tuple[events.Event, ...], number: int, now: float, *, expected: bool) -> None:
    """A token is active until it expires or it or its grant is revoked."""
    assert expected == fold_grant(history(*happened)).active(number, now)


def test_revocation_of_an_unknown_token_is_poison() -> None:
    """A fold raises on an event that makes no sense; it never passes it over."""
    with pytest.raises(KeyError):
        fold_grant(history(issued(), events.TokenRevoked(number=9, client_id="alpha", reason="client_request")))


@given(grant_histories())
def test_a_worker_folds_the_same_grants(facts: list[Fact]) -> None:
    """A worker's state holds the same grants, at the position of the last event."""
    state = WorkerState(grant_limit=100)
    for fact in facts:
        state.apply(fact)
    assert len(facts) == state.position
    assert all(state.grants.get(grant) == fold_grant(of_grant(facts, grant)) for grant in {f.stream for f in facts})


def test_all_but_issuance_and_rejection_wakes_the_barrier() -> None:
    """Every event that may end a right is one that other workers wait for."""
    assert {"token.issued", "access.rejected"} == {event.TYPE for event in SAMPLES if not takes_away(event)}

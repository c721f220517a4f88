from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.grant_cache import GrantCache
from projections.sessions import SessionCache
from projections.stream_cache import StreamCache
from schema.envelope import Fact
from schema.streams import new_stream
from tests.projections.feeding import Feeding, of_stream
from tests.projections.grant_histories import REVOKED_ALL, grant_histories
from tests.projections.histories import MOMENT, issued
from tests.projections.people_histories import session_histories
from tests.projections.test_access_model import reread

Caches = Callable[[int], StreamCache[Any]]
Histories = Callable[[], st.SearchStrategy[list[Fact]]]
_END = 1_000_000
every_cache = pytest.mark.parametrize(
    ("cached", "histories"),
    [
        (GrantCache, grant_histories),
        (partial(GrantCache, awake=1), grant_histories),
        (SessionCache, session_histories),
        (partial(SessionCache, awake=2), session_histories),
    ],
    ids=["grants", "grants, all but one packed", "sessions", "sessions, all but two packed"],
)


@every_cache
@given(data=st.data())
def test_no_interleaving_of_loads_and_feed_hides_an_event(
    cached: Caches, histories: Histories, data: st.DataObject
) -> None:
    """Whatever is read when, and however the feed runs beside it, an entry is what its stream's events make."""
    feeding = Feeding(cached(data.draw(st.sampled_from((1, 2, 100)))), data.draw(histories()))
    for _ in range(data.draw(st.integers(0, 60))):
        feeding.step(data)
    feeding.finish()


@every_cache
@given(data=st.data())
def test_rebuilt_from_the_journal_equals_live(cached: Caches, histories: Histories, data: st.DataObject) -> None:
    """An entry kept up to date by the feed is the one that its own stream makes, for each stream."""
    facts, cache = data.draw(histories()), cached(100)
    for fact in facts:
        cache.apply(fact)
    for stream in {fact.stream for fact in facts}:
        whole = cache.fold(reread(of_stream(facts, stream)))
        kept = cache.get(stream)
        assert kept == whole or (kept is None and whole.until <= _END)


@every_cache
@given(data=st.data())
def test_folding_an_event_again_changes_nothing(cached: Caches, histories: Histories, data: st.DataObject) -> None:
    """Events that come twice, by a load and by the feed, count once."""
    facts, cache = data.draw(histories()), cached(1)
    mine = of_stream(facts, facts[0].stream)
    again = data.draw(st.integers(0, len(mine)))
    assert cache.fold(mine) == cache.fold([*mine[:again], *mine[:again], *mine[again:]])


@every_cache
@given(data=st.data(), limit=st.integers(1, 8))
def test_never_more_than_the_limit(cached: Caches, histories: Histories, data: st.DataObject, limit: int) -> None:
    """The cache is bounded whatever comes, by feed or by load, and what it holds is right."""
    facts, cache = data.draw(histories()), cached(limit)
    for fact in facts:
        cache.apply(fact)
        assert len(cache) <= limit
    for stream in sorted({fact.stream for fact in facts}):
        if cache.get(stream) is None:
            cache.begin_load(stream)
            cache.finish_load(stream, of_stream(facts, stream), now=100)
        assert len(cache) <= limit
        kept = cache.get(stream)
        assert kept is None or kept == cache.fold(of_stream(facts, stream))


def test_who_holds_an_entry_sees_what_happens_after_it_was_packed() -> None:
    """A request that found a grant and waits sees its revocation, though its place went to others meanwhile."""
    cache = GrantCache(100, awake=1)
    held, others = new_stream(), [new_stream() for _ in range(3)]
    cache.apply(Fact(1, held, 1, issued(), MOMENT))
    grant = cache.get(held)
    assert grant is not None
    for position, stream in enumerate(others, start=2):
        cache.apply(Fact(position, stream, 1, issued(), MOMENT))
    cache.apply(Fact(5, held, 2, REVOKED_ALL, MOMENT))
    assert grant.revoked
    assert cache.get(held) is grant


def test_a_full_cache_lets_packed_ones_go_first() -> None:
    """Those that are awake were asked for last."""
    cache = GrantCache(5, awake=2)
    streams = [new_stream() for _ in range(8)]
    for position, stream in enumerate(streams, start=1):
        cache.apply(Fact(position, stream, 1, issued(), MOMENT))
    assert len(cache) == 5
    assert cache.get(streams[-1]) is not None


def test_a_packed_grant_that_has_expired_is_swept() -> None:
    """Grants at rest go as new ones come, once their time is over, without any limit being reached."""
    cache = GrantCache(200, awake=1)
    for second in range(2_000):
        cache.apply(Fact(second + 1, new_stream(), 1, issued(at=second, lifetime=50), MOMENT))
    assert len(cache) <= 100

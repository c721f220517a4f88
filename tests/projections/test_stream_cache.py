from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.grants import GrantCache
from projections.sessions import SessionCache
from projections.stream_cache import StreamCache
from schema.envelope import Fact
from tests.projections.feeding import Feeding, of_stream
from tests.projections.grant_histories import grant_histories
from tests.projections.people_histories import session_histories
from tests.projections.test_access_model import reread

Caches = Callable[[int], StreamCache[Any]]
Histories = Callable[[], st.SearchStrategy[list[Fact]]]
_END = 1_000_000
every_cache = pytest.mark.parametrize(
    ("cached", "histories"),
    [(GrantCache, grant_histories), (SessionCache, session_histories)],
    ids=["grants", "sessions"],
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
        assert kept == whole or (kept is None and whole.expired(_END))


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

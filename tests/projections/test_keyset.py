from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.keyset import KeySet
from schema import events
from schema.envelope import Fact
from schema.streams import KEYS_STREAM
from tests.projections.histories import MOMENT, key_histories
from tests.projections.test_access_model import reread


def folded(facts: Iterable[Fact]) -> KeySet:
    """The key set that some facts make."""
    keys = KeySet()
    for fact in facts:
        keys.apply(fact)
    return keys


@given(key_histories())
def test_rebuilt_from_the_journal_equals_live(facts: list[Fact]) -> None:
    """The key set folded from stored bytes is the one folded from the events as they happened."""
    live, rebuilt = folded(facts), folded(reread(facts))
    assert (live.keys, live.version) == (rebuilt.keys, rebuilt.version)
    assert len(facts) == live.version


@given(key_histories())
def test_at_most_one_key_signs(facts: list[Fact]) -> None:
    """After any event there is at most one current key, and one for good once a first was activated."""
    keys, activated = KeySet(), False
    for fact in facts:
        keys.apply(fact)
        activated = activated or isinstance(fact.event, events.KeyActivated)
        assert int(activated) == sum(key.status == "current" for key in keys.keys.values())


@given(key_histories(), st.integers(0, 200_000))
def test_published_are_next_current_and_previous_within_their_time(facts: list[Fact], now: int) -> None:
    """A retired key is never published, a current or next one always, a previous one until its time."""
    keys = folded(facts)
    published = {key.kid for key in keys.published(now)}
    for key in keys.keys.values():
        expected = {
            "next": True,
            "current": True,
            "previous": key.retires_at is None or key.retires_at > now,
            "retired": False,
        }[key.status]
        assert expected == (key.kid in published)


@given(key_histories(), st.lists(st.integers(0, 200_000), min_size=2, max_size=6).map(sorted))
def test_time_alone_ends_what_is_published(facts: list[Fact], moments: list[int]) -> None:
    """Asked again and again with no event in between, it answers as one that was never asked before."""
    asked = folded(facts)
    for moment in moments:
        assert asked.published(moment) == folded(facts).published(moment)


@pytest.mark.parametrize(
    "event",
    [events.KeyActivated(kid="nothing", activated_at=1), events.KeyRetired(kid="nothing", reason="expired")],
    ids=lambda event: event.TYPE,
)
def test_a_change_of_an_unknown_key_is_poison(event: events.Event) -> None:
    """A fold raises on an event that makes no sense; it never passes it over."""
    with pytest.raises(KeyError):
        KeySet().apply(Fact(1, KEYS_STREAM, 1, event, MOMENT))

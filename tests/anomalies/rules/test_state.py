from __future__ import annotations

import zlib
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.envelope import Fact
from tests.anomalies.rules.history import DAY, START, History, judged, rules, stored
from tests.anomalies.rules.stories import ATTACKS, INNOCENT, Story

_STORIES: tuple[Story, ...] = (*(story for stories in ATTACKS.values() for story in stories), *INNOCENT)
_NAMES = sorted(ATTACKS)


@cache
def _facts(story: Story) -> tuple[Fact, ...]:
    return tuple(story().facts)


@pytest.mark.parametrize("name", _NAMES)
@settings(max_examples=10, deadline=None)
@given(st.data())
def test_a_state_stored_in_the_middle_changes_nothing(name: str, data: st.DataObject) -> None:
    """Stopped anywhere in a history and taken up again from its bytes, a rule says what it would have said."""
    facts = _facts(data.draw(st.sampled_from((*ATTACKS[name], *INNOCENT[:6]))))
    middle = data.draw(st.integers(0, len(facts)))
    one, other = rules()[name], rules()[name]

    before = judged(one, facts[:middle])
    other.restore(stored(one))

    assert judged(rules()[name], facts) == before + judged(other, facts[middle:])


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize("parts", [2, 5])
def test_keys_may_be_divided(name: str, parts: int) -> None:
    """Each of several processes sees the keys that fall to it, and together they say what one would have said."""
    for story in (*ATTACKS[name], INNOCENT[0]):
        facts = _facts(story)
        shares = [
            judged(rules()[name], facts, lambda key, part=part: zlib.crc32(key.encode()) % parts == part)  # type: ignore[misc]
            for part in range(parts)
        ]

        assert sorted(judged(rules()[name], facts)) == sorted(signal for share in shares for signal in share)


@pytest.mark.parametrize("story", _STORIES, ids=lambda story: story.__name__)
def test_time_is_that_of_the_facts(story: Story) -> None:
    """The same history gives the same signals and the same state, whenever it is judged."""
    facts = _facts(story)
    one, other = rules(), rules()

    assert [judged(rule, facts) for rule in one.values()] == [judged(rule, facts) for rule in other.values()]
    assert [stored(rule) for rule in one.values()] == [stored(rule) for rule in other.values()]


def _crowd(number: int) -> History:
    """As many clients, people, addresses, grants and names as somebody cares to make up."""
    history = History()
    for index in range(number):
        where, who = f"100.{index % 200}.{index // 200 % 250}.9", f"made up {index}"
        history.token(who, where, user_agent=f"tool-{index}/1", scope=f"scope-{index}").grant(index, who, where)
        history.refresh(index, who, where, retry=True).revoked(index).signed_in(who, where).introspected(1, who)
        history.failed(who, where).failed(None, where, name=who).rejected("bad_secret", where, client_id=who)
        history.rejected("unknown_client", where, claimed_client=who)
        history.rejected("scope_not_allowed", where, client_id=who, detail=who)
        history.observed(index, where, who, who).wait(1)
    return history


@pytest.mark.parametrize("name", _NAMES)
def test_memory_is_bounded(name: str) -> None:
    """However many keys somebody makes up, as many are kept as the thresholds say."""
    rule = rules(kept_keys=40, kept_clients=40)[name]

    judged(rule, _crowd_facts())

    assert len(rule.state()) <= 40


@cache
def _crowd_facts() -> tuple[Fact, ...]:
    return tuple(_crowd(400).facts)


def _one_key(number: int) -> History:
    """One client, person, address and grant with as much of everything as somebody cares to make up."""
    history = History()
    for index in range(number):
        where, what = f"100.{index % 200}.{index // 200 % 250}.9", f"made-up-{index}"
        history.token("one", where, user_agent=f"tool-{index}/1", scope=what).token("one", "192.0.2.1", scope=what)
        history.grant(1, "ann", where).refresh(1, "ann", where, retry=True).observed(1, where, "one", "ann")
        history.observed(index, "192.0.2.1", "one", what).failed(what, "192.0.2.1").failed("ann", where)
        history.failed(None, "192.0.2.1", name=what).signed_in("ann", where).signed_in(what, "192.0.2.1")
        history.rejected("bad_secret", where, client_id="one").rejected("bad_secret", "192.0.2.1", client_id=what)
        history.rejected("unknown_client", "192.0.2.1", claimed_client=what)
        history.rejected("scope_not_allowed", where, client_id="one", detail=what).wait(900)
    return history


@pytest.mark.parametrize("name", [name for name in _NAMES if name not in {"client_probing", "credential_stuffing"}])
def test_what_is_kept_of_one_key_is_bounded(name: str) -> None:
    """Four times as much of everything about one key takes no more memory than the limits of a key."""
    rule = rules()[name]
    for fact in _one_key_facts():
        judged(rule, (fact,))
        largest = max((len(msgspec.msgpack.encode(value)) for value in rule.state()[-1:]), default=0)
        assert largest < 40_000


@cache
def _one_key_facts() -> tuple[Fact, ...]:
    return tuple(_one_key(600).facts)


@pytest.mark.parametrize("name", _NAMES)
def test_what_is_quiet_for_long_is_forgotten(name: str) -> None:
    """Years later nothing is kept of anybody."""
    rule = rules()[name]
    for story in ATTACKS[name]:
        judged(rule, _facts(story))

    rule.forget(START.timestamp() + 3 * 366 * DAY)

    assert rule.state() == []


@pytest.mark.parametrize("name", _NAMES)
def test_a_state_of_another_shape_is_refused(name: str) -> None:
    """What another version kept is no state: the engine is told, and lets the rule learn anew."""
    with pytest.raises(msgspec.ValidationError):
        rules()[name].restore([["client x", {"seen_at": "yesterday"}]])

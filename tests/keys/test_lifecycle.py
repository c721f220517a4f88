"""The life of keys by Hypothesis: any order of what operators and time can do, with a token signed now and then."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from projections.keyset import KeySet
from schema import events
from schema.envelope import Fact
from schema.streams import KEYS_STREAM
from service.keys.lifecycle import (
    LONGEST_LIFETIME,
    KeyChangeRefused,
    decide_activation,
    decide_created,
    decide_due,
    decide_retirement,
    next_key,
)
from tests.projections.histories import MOMENT

AHEAD = 900


class KeyLife(RuleBasedStateMachine):
    """Keys are rotated, retired and left to time; tokens are signed with whichever key signs."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = KeySet()
        self.now = 1_767_225_600
        self.signed_until: dict[str, int] = {}
        self.published_since: dict[str, int] = {}
        self.taken_by_operator: set[str] = set()

    def record(self, *changes: events.Event) -> None:
        """Fold what was decided."""
        for change in changes:
            self.keys.apply(Fact(self.keys.version + 1, KEYS_STREAM, self.keys.version + 1, change, MOMENT))

    def create(self, ahead: int) -> str:
        """Make a key that signs after so many seconds."""
        kid = f"key-{len(self.keys.keys)}"
        self.record(decide_created("ES256", kid, {}, self.now, self.now + ahead))
        self.published_since[kid] = self.now
        return kid

    @initialize()
    def first_key(self) -> None:
        """The first key signs at once."""
        self.record(decide_activation(self.keys, self.create(0), self.now))

    @rule(seconds=st.sampled_from((1, AHEAD, LONGEST_LIFETIME - 1)) | st.integers(1, 2 * LONGEST_LIFETIME))
    def time_passes(self, seconds: int) -> None:
        """Time passes and brings what is due."""
        self.now += seconds
        self.record(*decide_due(self.keys, self.now))

    @precondition(lambda self: next_key(self.keys) is None)
    @rule()
    def rotate(self) -> None:
        """A next key is published."""
        self.create(AHEAD)

    @precondition(lambda self: next_key(self.keys) is not None)
    @rule()
    def rotate_now(self) -> None:
        """The key that waits signs at once."""
        waiting = next_key(self.keys)
        assert waiting is not None
        self.record(decide_activation(self.keys, waiting, self.now))

    @rule(lifetime=st.just(LONGEST_LIFETIME) | st.integers(1, LONGEST_LIFETIME))
    def sign(self, lifetime: int) -> None:
        """A token is signed with the key that signs."""
        assert self.keys.current is not None
        kid = self.keys.current.kid
        self.signed_until[kid] = max(self.signed_until.get(kid, 0), self.now + lifetime)

    @precondition(lambda self: len(self.keys.keys) > 1)
    @rule(data=st.data())
    def retire(self, data: st.DataObject) -> None:
        """An operator retires some key: allowed for any but the one that signs."""
        kid = data.draw(st.sampled_from(sorted(self.keys.keys)))
        status = self.keys.keys[kid].status
        try:
            self.record(decide_retirement(self.keys, kid))
        except KeyChangeRefused:
            assert status in {"current", "retired"}
        else:
            assert status in {"next", "previous"}
            self.taken_by_operator.add(kid)

    @invariant()
    def exactly_one_key_signs(self) -> None:
        """Whatever happens there is one key that signs, and at most one that waits."""
        status = [key.status for key in self.keys.keys.values()]
        assert (status.count("current"), status.count("next") <= 1) == (1, True)

    @invariant()
    def published_as_long_as_its_tokens_live(self) -> None:
        """A key that only time takes away is published until its last token has expired."""
        published = {key.kid for key in self.keys.published(self.now)}
        living = {kid for kid, until in self.signed_until.items() if until > self.now}
        assert living - self.taken_by_operator <= published

    @invariant()
    def what_is_due_is_done_once(self) -> None:
        """Nothing stays due after it was done, so a chore that runs again appends nothing."""
        assert decide_due(self.keys, self.now) == []


TestKeyLife = KeyLife.TestCase
TestKeyLife.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)


def folded(*changes: events.Event) -> KeySet:
    """The key set that some events make."""
    keys = KeySet()
    for version, change in enumerate(changes, start=1):
        keys.apply(Fact(version, KEYS_STREAM, version, change, MOMENT))
    return keys


def test_a_next_key_signs_no_sooner_than_it_was_published_long_enough() -> None:
    """Time activates a waiting key at its moment, not a second before."""
    first = [
        decide_created("ES256", "one", {}, 0, 0),
        events.KeyActivated(kid="one", activated_at=0),
        decide_created("ES256", "two", {}, 100, 100 + AHEAD),
    ]
    assert decide_due(folded(*first), 99 + AHEAD) == []
    assert [decide_activation(folded(*first), "two", 100 + AHEAD)] == decide_due(folded(*first), 100 + AHEAD)


def test_the_first_activation_supersedes_nothing() -> None:
    """Without a key before it there is none to retire."""
    created = decide_created("ES256", "one", {}, 0, 0)
    assert events.KeyActivated(kid="one", activated_at=5) == decide_activation(folded(created), "one", 5)


def test_a_superseded_key_outlives_the_longest_token() -> None:
    """A key that signed a token of the longest lifetime a moment ago is published until that has expired."""
    first = [decide_created("ES256", "one", {}, 0, 0), events.KeyActivated(kid="one", activated_at=0)]
    keys = folded(*first, decide_created("ES256", "two", {}, 5, 5))
    retires_at = decide_activation(keys, "two", 1_000).previous_retires_at
    assert retires_at is not None
    assert retires_at > 1_000 + LONGEST_LIFETIME


def test_an_unknown_key_cannot_be_retired() -> None:
    """A mistyped kid is told, not passed over."""
    with pytest.raises(KeyChangeRefused, match="no key two"):
        decide_retirement(folded(decide_created("ES256", "one", {}, 0, 0)), "two")

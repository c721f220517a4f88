"""What a person has seen speaks for no other finding: after an acknowledgement a rule counts anew."""

from __future__ import annotations

import datetime as dt

import pytest

from consumers.anomalies.findings import Told
from consumers.anomalies.judge import Judge, Share, decode, encode
from schema.envelope import Fact
from schema.events import AnomalyAcknowledged, AnomalyDetected
from tests.anomalies.rules.history import rules
from tests.anomalies.rules.stories import ATTACKS, Story

AT_ONCE = frozenset(
    (
        *("refresh_token_reuse", "refresh_token_replay", "token_elsewhere", "new_scope", "dormant_client"),
        *("new_network", "new_user_agent", "introspection_burst"),
    )
)
"""Rules that one event may be enough for: one that never was before, or a minute of introspections."""
LEARNS = frozenset(("refresh_token_reuse", "dormant_client", "impossible_travel", "credential_stuffing"))
"""Rules that the same a second time may be nothing new for: they know the place, the silence or the names by then."""

every_attack = pytest.mark.parametrize(
    ("name", "story"),
    [(name, story) for name, stories in ATTACKS.items() for story in stories],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)


def _told(judges: list[Judge], facts: list[Fact]) -> list[Told]:
    return [each for fact in facts for judge in judges for each in judge.judge(fact)]


def _judges(name: str, parts: int = 1) -> list[Judge]:
    return [Judge([rules()[name]], share=Share(part, parts)) for part in range(1, parts + 1)]


def _acknowledged(facts: list[Fact], told: list[Told]) -> list[Fact]:
    """The acknowledgements of all that was found, after the facts."""
    found = [each for each in told if isinstance(each.event, AnomalyDetected)]
    return [
        Fact(
            facts[-1].position + number,
            each.stream,
            each.number + 1,
            AnomalyAcknowledged(rule=each.event.rule, about=each.event.about),
            facts[-1].recorded_at,
        )
        for number, each in enumerate(found, start=1)
    ]


def _again(facts: list[Fact], after: Fact) -> list[Fact]:
    """The same once more, a minute after."""
    shift = after.recorded_at + dt.timedelta(minutes=1) - facts[0].recorded_at
    return [
        fact._replace(position=after.position + number, recorded_at=fact.recorded_at + shift)
        for number, fact in enumerate(facts, start=1)
    ]


def _attacked(name: str, story: Story, parts: int = 1) -> tuple[list[Judge], list[Fact], Fact]:
    """Judges of a history whose findings are acknowledged, its facts, and the last acknowledgement."""
    facts, judges = story().facts, _judges(name, parts)
    answers = _acknowledged(facts, _told(judges, facts))
    assert answers != []
    assert _told(judges, answers) == []
    return judges, facts, answers[-1]


@every_attack
def test_one_more_event_is_not_the_whole_attack(name: str, story: Story) -> None:
    """Where it takes several events to speak, one after the acknowledgement finds nothing."""
    judges, facts, last = _attacked(name, story)
    told = _told(judges, _again(facts[-1:], last))

    assert name in AT_ONCE or [each.event.summary for each in told] == []
    assert all(each.event.evidence == (last.position + 1,) for each in told)


@every_attack
def test_a_new_finding_has_new_evidence(name: str, story: Story) -> None:
    """The whole attack again is a new finding, of what came after the acknowledgement alone."""
    judges, facts, last = _attacked(name, story)
    told = _told(judges, _again(facts, last))

    assert name in LEARNS or told != []
    assert all(min(each.event.evidence) > last.position for each in told)


@every_attack
def test_a_restored_judge_and_a_divided_one_have_forgotten_too(name: str, story: Story) -> None:
    """What was acknowledged is forgotten in a snapshot and in the partition of its key."""
    whole, facts, last = _attacked(name, story)
    divided = _attacked(name, story, parts=3)[0]
    restored = _judges(name)
    restored[0].restore(decode(encode(whole[0].state())), rules())
    again = _again(facts, last)
    expected = _told(whole, again)

    assert expected == _told(restored, again)
    assert sorted(expected) == sorted(_told(divided, again))


@every_attack
def test_what_is_learned_from_history_is_forgotten_too(name: str, story: Story) -> None:
    """A rule that only learns from the journal, as after an update, forgets what was acknowledged there."""
    judged, facts, last = _attacked(name, story)
    learning = _judges(name)[0]
    for fact in [*facts, *_acknowledged(facts, _told(_judges(name), facts))]:
        learning.learn(fact, frozenset((name,)))

    assert judged[0].state().rules == learning.state().rules
    assert last.position == learning.position

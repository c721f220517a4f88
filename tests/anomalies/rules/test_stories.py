from __future__ import annotations

import re
from pathlib import Path

import pytest

from consumers.anomalies import rule as rule_module
from consumers.anomalies.contract import Signal
from tests.anomalies.rules.history import History, judged, rules, signals
from tests.anomalies.rules.stories import ATTACKS, INNOCENT, Story

_TECHNIQUES = Path(__file__).with_name("techniques.txt")


@pytest.mark.parametrize(
    ("name", "story"),
    [(name, story) for name, stories in ATTACKS.items() for story in stories],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_an_attack_is_seen(name: str, story: Story) -> None:
    """The rule that is made for it speaks, of the right thing, and names events and the technique."""
    found = signals(name, story())

    assert found != []
    last = found[-1]
    assert (name, rules()[name].technique) == (last.rule, last.technique)
    assert 1 <= len(last.evidence) <= last.count
    assert max(last.evidence) <= last.position


@pytest.mark.parametrize("story", INNOCENT, ids=lambda story: story.__name__)
def test_what_only_looks_like_an_attack_is_none(story: Story) -> None:
    """No rule speaks of what befalls honest clients and people."""
    facts = story().facts

    assert [signal.summary for rule in rules().values() for signal in judged(rule, facts)] == []


def test_every_rule_has_attacks_and_is_told_of() -> None:
    """The rules, the attacks that they are tried on and the list in the module's docstring name the same."""
    listed = re.findall(r"^    ([a-z_]+) {2,}", rule_module.__doc__ or "", re.MULTILINE)

    assert sorted(rules()) == sorted(ATTACKS)
    assert sorted(rules()) == sorted(listed)


def test_a_technique_is_one_of_attack() -> None:
    """Every technique is one of MITRE ATT&CK's, by id."""
    known = {line.split(" ", 1)[0] for line in _TECHNIQUES.read_text().splitlines()}

    assert set() == {rule.technique for rule in rules().values()} - known


def _all_signals(story: Story) -> list[Signal]:
    facts = story().facts
    return [signal for rule in rules().values() for signal in judged(rule, facts)]


@pytest.mark.parametrize("story", [story for stories in ATTACKS.values() for story in stories])
def test_a_sentence_holds_no_secret_and_no_digest(story: Story) -> None:
    """A summary is one sentence without anything that came as a digest, a name typed or a token."""
    for signal in _all_signals(story):
        assert signal.summary.endswith(".")
        assert not re.search(r"handle|leaked|noise|[A-Za-z0-9_-]{32,}", signal.summary)


def test_a_sentence_has_names_and_numbers() -> None:
    """What a person reads says who, how often, in what time and from where."""
    guessing = signals("client_secret_guessing", ATTACKS["client_secret_guessing"][0]())

    assert guessing[-1].summary == "The secret of billing was guessed 43 times in 5 minutes from 203.0.113.7."
    assert guessing[-1].severity == "high"


def test_a_youngster_has_no_baseline() -> None:
    """Rules that learn what is usual are silent in a client's first week."""
    history = History()
    history.every(600, 300, history.token)
    history.every(1, 500, lambda: history.token(source="203.0.113.7", user_agent="curl/8", scope="admin"))

    learned = ("issuance_burst", "new_network", "new_user_agent", "new_scope")
    assert [signal for name in learned for signal in signals(name, history)] == []

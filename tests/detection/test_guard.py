"""The rules on a small world of a fixed seed: a guard against a rule that sees less, or cries more, than it did."""

from __future__ import annotations

import pytest

from benchmarks.detection.judge import Outcome, judge_seed
from benchmarks.detection.score import score
from tests.detection.small import SEED, SMALL

FALSE_AT_MOST = 6
SUBTLE_AT_LEAST = 0.8


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """The small world, judged."""
    return judge_seed(SEED, SMALL)


def test_every_strong_attack_is_found(outcome: Outcome) -> None:
    """Whoever takes no care is seen."""
    strong = [label for label in outcome.labels if label.strength == "strong" and label.counts]
    assert [label.name for label in strong if not outcome.matched.of(label)] == []
    assert len(strong) >= 19


def test_most_subtle_attacks_are_found(outcome: Outcome) -> None:
    """Patience does not help much."""
    subtle = [label for label in outcome.labels if label.strength == "subtle" and label.counts]
    found = [label for label in subtle if outcome.matched.of(label)]
    assert len(found) / len(subtle) >= SUBTLE_AT_LEAST


def test_few_findings_are_false(outcome: Outcome) -> None:
    """The innocent are left alone."""
    assert len(outcome.matched.false) <= FALSE_AT_MOST
    assert score([outcome]).false_by_client_month <= 1.0

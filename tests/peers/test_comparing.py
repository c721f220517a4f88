from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from benchmarks import comparing
from benchmarks.load import Case, Measured, Mixed
from benchmarks.peers.peer import INTROSPECTION, ISSUANCE_JWT, REFUSAL, REVOCATION, VERIFY, Fresh, Round

OPTIONS = comparing.Options(seconds=6, warm=10, connections=64, rounds=3, tokens=100, uses=50)
ANSWER_MS = {"ours": 20.0, "theirs": 80.0}
"""What an answer takes at any load."""


class Subject:
    """A server with these cases, those of `once` made anew for each round."""

    def __init__(self, name: str, cases: tuple[str, ...], once: tuple[str, ...] = ()) -> None:
        self.name = name
        self._cases = cases
        self._once = once
        self.made: list[Round] = []

    def cases(self, tokens: int) -> list[Case]:
        """Again and again."""
        assert tokens == OPTIONS.tokens
        return [Case(name, self.name, ("a", "b"), "form=1") for name in self._cases]

    def fresh(self) -> Mapping[str, Fresh]:
        """Once each."""
        return {name: partial(self._make, name) for name in self._once}

    def keys(self) -> str:
        """Nobody looks."""
        return "keys"

    def _make(self, name: str, to_use: Round) -> Case:
        self.made.append(to_use)
        return Case(name, self.name, ("a", "b"), str(len(self.made)), once=True)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str, float]]:
    """What was run, in order: server, case, form, and delay in milliseconds. Nothing is, in truth."""
    found: list[tuple[str, str, str, float]] = []

    def measure(case: Case | Mixed, _seconds: int, connections: int, _core: str, delay_ms: float = 0.0) -> Measured:
        assert isinstance(case, Case)
        found.append((case.url, case.name, str(case.body), delay_ms))
        rate = 1e3 * connections / (ANSWER_MS[case.url] + delay_ms)
        return Measured(case.name, rate, 1.0, 2.0, 0, answers=round(rate * 6))

    monkeypatch.setattr(comparing, "measure", measure)
    monkeypatch.setattr(comparing, "check", lambda *_: None)
    return found


def names(compared: list[comparing.Compared]) -> list[tuple[str, str, bool]]:
    """Case, what it is beside, and whether that is at half load."""
    return [(each.case, each.beside, each.half) for each in compared]


def test_a_case_is_beside_its_counterpart_or_measured_alone(runs: list[Any]) -> None:
    """Each exactly once; what a gateway asks is beside an introspection."""
    ours: Any = Subject("ours", (REFUSAL, VERIFY), (REVOCATION, "cold"))
    theirs: Any = Subject("theirs", (REFUSAL, INTROSPECTION), (REVOCATION,))
    beside = list(comparing.compare(ours, theirs, OPTIONS))
    assert names(beside) == [(REFUSAL, REFUSAL, False), (VERIFY, INTROSPECTION, False), (REVOCATION, REVOCATION, False)]
    assert all(len(each.ours) == len(each.theirs) == OPTIONS.rounds for each in beside)
    assert {ratio for each in beside for ratio in each.ratios} == {4.0}
    alone = list(comparing.alone(ours, {each.case for each in beside}, OPTIONS))
    assert names(alone) == [("cold", "", False)]
    assert (len(alone[0].ours), alone[0].theirs, alone[0].ratios) == (OPTIONS.rounds, [], [])


def test_sides_are_run_in_turn_and_each_round_has_what_it_uses_up(runs: list[Any]) -> None:
    """A round that does not count comes first, for both."""
    ours: Any = Subject("ours", (), (REVOCATION,))
    theirs: Any = Subject("theirs", (), (REVOCATION,))
    list(comparing.compare(ours, theirs, OPTIONS))
    assert [(server, form) for server, _, form, _ in runs] == [
        (server, str(number)) for number in range(1, 5) for server in ("ours", "theirs")
    ]
    assert ours.made == [Round(50, 64)] * 4


def test_half_load_is_half_of_what_each_side_can_do(runs: list[Any]) -> None:
    """Whatever an answer takes: the wait is what is left of the time between two requests."""
    ours: Any = Subject("ours", (ISSUANCE_JWT,))
    theirs: Any = Subject("theirs", (ISSUANCE_JWT,))
    full, half = comparing.compare(ours, theirs, OPTIONS)
    assert (full.half, half.half) == (False, True)
    for at_half, at_full in ((half.ours, full.ours), (half.theirs, full.theirs)):
        assert [each.rate for each in at_half] == pytest.approx([each.rate / 2 for each in at_full])


def test_only_what_is_named_is_measured(runs: list[Any]) -> None:
    """By a part of its name."""
    ours: Any = Subject("ours", (REFUSAL, VERIFY), ("cold",))
    only = OPTIONS._replace(only=("refus",))
    assert names(list(comparing.compare(ours, ours, only))) == [(REFUSAL, REFUSAL, False)]
    assert not list(comparing.alone(ours, {REFUSAL}, only))
    assert {case for _, case, _, _ in runs} == {REFUSAL}

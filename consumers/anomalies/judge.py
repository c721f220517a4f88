"""The rules and their findings as one fold of the journal. Pure: the same facts give the same findings."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from consumers.anomalies.contract import Rule, Signal
from consumers.anomalies.findings import Findings, Open, Told
from schema.envelope import Fact
from schema.events import AnomalyAcknowledged, Event

VERSION = 4
"""Raise it when what the rules keep changes its meaning: they learn anew then, from the journal."""

_FORGET_EVERY = 4_096


class Poison(Exception):
    """A rule cannot understand a true event: nothing after it is judged."""


class Share(NamedTuple):
    """Part `part` (from 1) of `parts`: the keys whose hash falls to it."""

    part: int = 1
    parts: int = 1

    def has(self, key: str) -> bool:
        """Whether a key falls to this part."""
        return self.parts == 1 or zlib.crc32(key.encode("utf-8", "surrogatepass")) % self.parts == self.part - 1


WHOLE = Share()


class State(msgspec.Struct):
    """All that later findings depend on; `rules` by name, each as msgpack."""

    version: int = VERSION
    position: int = 0
    findings: list[Open] = []
    rules: dict[str, msgspec.Raw] = {}


class _Step(NamedTuple):
    """What is asked of a rule for an event: its methods, bound once."""

    rule: str
    keys: Callable[[Fact], Iterable[str]]
    observe: Callable[[str, Fact], Iterable[Signal]]


class Judge:
    """Judges facts, in the order of the journal. `position` is that of the last one."""

    def __init__(self, rules: Iterable[Rule], findings: Findings | None = None, share: Share = WHOLE) -> None:
        self.rules = {rule.name: rule for rule in rules}
        self.findings = findings or Findings()
        self.share = share
        self._is_whole = share.parts == 1
        self.position = 0
        self._steps = _steps_of(self.rules.values())
        self.types = frozenset({kind.TYPE for kind in self._steps} | {AnomalyAcknowledged.TYPE})

    def judge(self, fact: Fact) -> list[Told]:
        """What there is to tell of the next fact; one of another type than `types` may be left out. Raises Poison."""
        signals = self._signals(self._steps.get(type(fact.event), ()), fact)
        told = list(filter(None, map(self.findings.note, signals))) if signals else []
        if type(fact.event) is AnomalyAcknowledged:
            self.findings.acknowledged(fact.stream)
            self._acknowledged(fact.event)
        self._went_on(fact)
        return told

    def learn(self, fact: Fact, names: frozenset[str]) -> None:
        """Let some rules see a fact, and find nothing. Raises Poison."""
        self._signals([step for step in self._steps.get(type(fact.event), ()) if step.rule in names], fact)
        if type(fact.event) is AnomalyAcknowledged and fact.event.rule in names:
            self._acknowledged(fact.event)
        self._went_on(fact)

    def state(self) -> State:
        """All that later findings depend on, as of `position`."""
        rules = {name: msgspec.Raw(msgspec.msgpack.encode(rule.state())) for name, rule in self.rules.items()}
        return State(position=self.position, findings=self.findings.state(), rules=rules)

    def restore(self, state: State, fresh: Mapping[str, Rule]) -> frozenset[str]:
        """Go on where `state` was taken; returns the names of the rules that it has nothing of, which have to learn.

        A rule whose state is of another shape is replaced by its `fresh` one.
        """
        self.position = state.position
        self.findings.restore(state.findings)
        if state.version != VERSION:
            return frozenset(self.rules)
        unknown = {name for name in self.rules if name not in state.rules}
        for name in self.rules.keys() - unknown:
            try:
                self.rules[name].restore(msgspec.msgpack.decode(state.rules[name]))
            except msgspec.ValidationError:
                self.rules[name] = fresh[name]
                unknown.add(name)
        self._steps = _steps_of(self.rules.values())
        return frozenset(unknown)

    def _signals(self, steps: Sequence[_Step], fact: Fact) -> list[Signal]:
        """What the rules say of a fact. Ten of them look at most, and hardly ever one speaks."""
        signals: list[Signal] = []
        rule, is_whole = "", self._is_whole
        try:
            for rule, keys, observe in steps:  # noqa: B007 the error names it
                for key in keys(fact):
                    if is_whole or self.share.has(key):
                        said = observe(key, fact)
                        if said:
                            signals += said
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            place = f"event {fact.position} ({fact.event.TYPE})"
            raise Poison(f"{place} cannot be judged by the rule {rule}: {what}") from error
        return signals

    def _acknowledged(self, event: AnomalyAcknowledged) -> None:
        """What a person has seen speaks for no finding more."""
        rule = self.rules.get(event.rule)
        if rule is not None and event.about:
            rule.acknowledged(event.about)

    def _went_on(self, fact: Fact) -> None:
        """What is too old is dropped at certain positions, so that no clock decides when."""
        due = fact.position // _FORGET_EVERY != self.position // _FORGET_EVERY
        self.position = fact.position
        if due:
            now = fact.recorded_at.timestamp()
            self.findings.forget(now)
            for rule in self.rules.values():
                rule.forget(now)


def _steps_of(rules: Iterable[Rule]) -> dict[type[Event], list[_Step]]:
    steps: dict[type[Event], list[_Step]] = {}
    for rule in rules:
        for kind in rule.types:
            steps.setdefault(kind, []).append(_Step(rule.name, rule.keys, rule.observe))
    return steps


def encode(state: State) -> bytes:
    """The state as bytes, for a snapshot."""
    return msgspec.msgpack.encode(state)


def decode(data: bytes) -> State:
    """The state of bytes. Raises msgspec.DecodeError for those of another shape."""
    return msgspec.msgpack.decode(data, type=State)

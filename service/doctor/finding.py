"""A check, and what it finds.

Each group of checks is a module with `CHECKS` and a pure function from facts to findings. A check that finds nothing
amiss is a finding too, by `completed`, so that a reader sees what was looked at.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

Severity = Literal["fail", "warn", "unknown", "info", "ok"]

SEVERITIES: tuple[Severity, ...] = ("fail", "warn", "unknown", "info", "ok")
"""From the worst on. Only `fail` makes the command fail; `unknown` is what could not be seen from here."""

_PLACE = re.compile(r"\{(\w+)\}")
_LISTED = 5


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found, in sentences without any secret. `subjects` are the clients, settings or parts it is about.

    `why` and `mend` are there also where nothing is amiss: why it was looked at. Where it could not be looked at,
    `mend` says how to look oneself, and may be empty.
    """

    id: str
    group: str
    severity: Severity
    found: str
    why: str
    mend: str
    subjects: tuple[str, ...] = ()


class Check(NamedTuple):
    """One thing that is looked at. `id` is stable, `good` a sentence for when all is well.

    `severities` are those that its findings may have, the usual one first. `why` names the RFC and section where there
    is one; `mend` is a command or setting, with `{name}` for what a finding fills in.
    """

    id: str
    severities: tuple[Severity, ...]
    good: str
    why: str
    mend: str

    def found(
        self, sentence: str, *subjects: str, severity: Severity | None = None, mend: str | None = None, **filled: str
    ) -> Finding:
        """Something is amiss. `mend` is another way than the usual one, for this case."""
        chosen = self.severities[0] if severity is None else severity
        if chosen not in self.severities:
            raise ValueError(f"{self.id} is not told to be {chosen}")
        remedy = _PLACE.sub(lambda place: filled.get(place[1], place[0]), self.mend if mend is None else mend)
        return Finding(
            id=self.id, group="", severity=chosen, found=sentence, why=self.why, mend=remedy, subjects=subjects
        )

    def unseen(self, reason: str, look: str = "") -> Finding:
        """It could not be looked at; `look` says how to look oneself."""
        return Finding(id=self.id, group="", severity="unknown", found=reason, why=self.why, mend=look)

    @property
    def well(self) -> Finding:
        """Nothing is amiss."""
        return Finding(id=self.id, group="", severity="ok", found=self.good, why=self.why, mend=self.told)

    @property
    def told(self) -> str:
        """How to mend it, whatever it is about: `{client}` is CLIENT."""
        return _PLACE.sub(lambda place: place[1].upper(), self.mend)


class Unseen(NamedTuple):
    """Facts that could not be had. `reason` is a sentence without any secret."""

    reason: str


Facts = TypeVar("Facts")


class Group(NamedTuple):
    """Checks that look at the same facts. `missing` is found where these cannot be had; it is one of `checks`."""

    name: str
    checks: tuple[Check, ...]
    examine: Callable[[Any], Iterable[Finding]]
    missing: Check | None = None

    def findings(self, facts: object) -> list[Finding]:
        """One or more findings for each check, the worst first, all of this group. Takes `Unseen` for facts too."""
        found = self._unseen(facts.reason) if isinstance(facts, Unseen) else completed(self.checks, self.examine(facts))
        named = [msgspec.structs.replace(each, group=self.name) for each in found]
        return sorted(named, key=lambda each: SEVERITIES.index(each.severity))

    def _unseen(self, reason: str) -> list[Finding]:
        return [check.found(reason) if check is self.missing else check.unseen(reason) for check in self.checks]


def completed(checks: Sequence[Check], findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings, and a good one for each check that has none."""
    found = list(findings)
    spoken = {finding.id for finding in found}
    yield from found
    yield from (check.well for check in checks if check.id not in spoken)


def listed(names: Iterable[str]) -> str:
    """Names in order, the first few of many: `a, b, c, d, e and 7 more`."""
    every = sorted(names)
    shown = ", ".join(every[:_LISTED])
    return shown if len(every) <= _LISTED else f"{shown} and {len(every) - _LISTED} more"


def spell(seconds: float) -> str:
    """A length of time for people: `90 s`, `15 min`, `36 h`, `30 days`."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def days_since(moment: dt.datetime, now: dt.datetime) -> int:
    """Whole days from a moment until now."""
    return (now - moment).days

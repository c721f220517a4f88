"""What rules remember: a value for each key, bounded however many keys somebody makes up, and deterministic."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from functools import lru_cache
from operator import itemgetter
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec

from consumers.anomalies.contract import Signal
from schema.envelope import Fact
from schema.events import Event, Severity

_EVIDENCE = 10
_SOURCES = 10


moment_of = lru_cache(maxsize=16)(dt.datetime.timestamp)
"""When a fact was recorded, in seconds since 1970. Many rules ask it of the same fact."""


@lru_cache(maxsize=16)
def grant_key(stream: UUID) -> str:
    """The key of a grant. Many rules make it of the same fact."""
    return f"grant {msgspec.to_builtins(stream)}"  # far quicker than str


class Kept(msgspec.Struct):
    """What is kept of one key. `seen_at` is when something was last folded into it, in seconds since 1970.

    `COUNTS` names the fields that add up what speaks for abuse; the others are what is usual.
    """

    COUNTS: ClassVar[tuple[str, ...]] = ("trail",)
    seen_at: float = 0.0

    def begin_anew(self) -> None:
        """Let go of what spoke for abuse so far: a person has seen it. What is usual stays."""
        fresh = type(self)()
        for name in self.COUNTS:
            setattr(self, name, getattr(fresh, name))


V = TypeVar("V", bound=Kept)


class Keyed(Generic[V]):
    """Base of the rules: at most `kept` keys, each forgotten when nothing came for `span` seconds.

    Of more keys, those go that were longest without anything.
    """

    name: str
    technique: str
    types: frozenset[type[Event]]
    shape: type[V]

    def __init__(self, kept: int, span: float) -> None:
        self._kept = kept
        self._span = span
        self._values: OrderedDict[str, V] = OrderedDict()

    def recall(self, key: str, at: float) -> V:
        """What is kept of a key, which is seen now."""
        values = self._values
        value = values.get(key)
        if value is None:
            value = values[key] = self.shape()
            if len(values) > self._kept:
                values.popitem(last=False)
        else:
            values.move_to_end(key)
        value.seen_at = at
        return value

    def known(self, key: str) -> V | None:
        """What is kept of a key, if anything is."""
        return self._values.get(key)

    def state(self) -> Any:
        """Pairs of key and what is kept of it, the longest unseen first."""
        return list(self._values.items())

    def restore(self, state: Any) -> None:
        """Take up what `state` gave. Raises msgspec.ValidationError."""
        self._values = OrderedDict(msgspec.convert(state, list[tuple[str, self.shape]]))  # type: ignore[name-defined]

    def forget(self, now: float) -> None:
        """Drop the keys for which nothing came for long."""
        values, since = self._values, now - self._span
        while values and next(iter(values.values())).seen_at < since:
            values.popitem(last=False)

    def acknowledged(self, about: str) -> None:
        """Count anew what a finding was about."""
        value = self._values.get(about)
        if value is not None:
            value.begin_anew()

    def signal(self, fact: Fact, about: str, severity: Severity, summary: str, **named: Any) -> Signal:
        """A signal of this rule whose deciding event is the fact."""
        named.setdefault("evidence", (fact.position,))
        return Signal(
            self.name, about, severity, self.technique, summary, fact.position, moment_of(fact.recorded_at), **named
        )


class Trail(msgspec.Struct):
    """What came of late: how many since `began` with no pause in between, and the latest of them."""

    began: float = 0.0
    last: float = 0.0
    count: int = 0
    times: list[float] = msgspec.field(default_factory=list)
    positions: list[int] = msgspec.field(default_factory=list)
    sources: list[str] = msgspec.field(default_factory=list)

    def add(self, fact: Fact, at: float, pause: float, kept: int, source: str | None = None) -> None:
        """One more. After a `pause` in seconds it begins anew; the latest `kept` moments are held."""
        source = source or fact.source
        if at - self.last > pause:
            self.began, self.last, self.count = at, at, 1
            self.times, self.positions, self.sources = [at], [fact.position], [source] if source else []
            return
        self.last = at
        self.count += 1
        _push(self.times, at, kept)
        _push(self.positions, fact.position, _EVIDENCE)
        if source and source not in self.sources:
            _push(self.sources, source, _SOURCES)

    def reached(self, number: int, at: float, span: float) -> bool:
        """Whether that many came within the last `span` seconds; no more than are held."""
        return len(self.times) >= number and self.times[-number] >= at - span

    def evidence(self) -> dict[str, Any]:
        """The fields of a signal that tell what speaks for it."""
        return {"count": self.count, "evidence": tuple(self.positions), "sources": tuple(self.sources)}


class Distinct(msgspec.Struct):
    """Different things seen of late, each with when it was last."""

    seen: dict[str, float] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        """The oldest is first, however it was stored."""
        if len(self.seen) > 1:
            self.seen = dict(sorted(self.seen.items(), key=itemgetter(1)))

    def add(self, what: str, at: float, span: float, kept: int) -> int:
        """See one; those not seen for `span` seconds go. How many there are now, at most `kept`."""
        seen = self.seen
        if len(seen) == 1 and what in seen:  # as most often
            seen[what] = at
            return 1
        seen.pop(what, None)
        seen[what] = at
        self.trim(at - span, kept)
        return len(seen)

    def trim(self, since: float, kept: int) -> None:
        """Let go of what was last seen before `since`, and of the oldest beyond `kept`."""
        seen = self.seen
        while seen:
            oldest = next(iter(seen))
            if seen[oldest] >= since and len(seen) <= kept:
                return
            del seen[oldest]

    def drop(self, what: str) -> None:
        """Let go of one."""
        self.seen.pop(what, None)


def _push(held: list[Any], one: Any, kept: int) -> None:
    held.append(one)
    if len(held) > kept:
        del held[0]


def lasting(seconds: float) -> str:
    """A span in words, such as `5 minutes`."""
    for unit, name in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= unit:
            number = round(seconds / unit)
            return f"{number} {name}{'' if number == 1 else 's'}"
    return "a second"

"""What a rule is: a pure fold that says when something speaks for abuse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from schema.envelope import Fact
from schema.events import Event, Severity


class Signal(NamedTuple):
    """Something that speaks for abuse now. Signals of one rule about one thing become one finding.

    `at` is in seconds since 1970 and `position` that of the deciding event. `count` events speak for it so far;
    `evidence` are positions of the latest of them, `sources` addresses that they came from.
    """

    rule: str
    about: str
    severity: Severity
    technique: str
    summary: str
    position: int
    at: float
    sources: tuple[str, ...] = ()
    client_id: str | None = None
    subject: str | None = None
    grant_id: str | None = None
    count: int = 1  # type: ignore[assignment]  # nobody counts the fields of a signal
    evidence: tuple[int, ...] = ()


class Rule(Protocol):
    """A fold over the events of `types`, in the order of the journal.

    A rule MUST NOT read a clock: time is that of the facts. What it keeps MUST be about one key each, so that keys may
    be divided among processes, and MUST be bounded however many keys somebody makes up. `state` MUST be all that later
    signals depend on.
    """

    name: str
    technique: str
    types: frozenset[type[Event]]

    def keys(self, fact: Fact) -> Iterable[str]:
        """What a fact is about, such as `source 192.0.2.7`; nothing where the rule does not care."""

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Fold a fact into one key of it."""

    def acknowledged(self, about: str) -> None:
        """A person has seen the finding about this: what comes speaks by itself, without what came before."""

    def state(self) -> Any:
        """All that was learned, as something that msgspec encodes."""

    def restore(self, state: Any) -> None:
        """Take up what `state` gave, decoded from its bytes. Raises msgspec.ValidationError."""

    def forget(self, now: float) -> None:
        """Drop what is too old to matter at `now`, in seconds since 1970."""

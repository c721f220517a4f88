"""What is known of an injected attack: when it was, which events are its own, and whom it was about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Strength = Literal["strong", "subtle"]


@dataclass(slots=True)
class Label:
    """One attack. Times are in seconds since 1970.

    `positions` are those of the events that would not be there without it, or carry its traffic. The four sets name
    what a right finding may be about: clients, subjects, grants (by id) and source addresses.
    A theft is `decided` once the service saw that there is a copy.
    """

    kind: str
    strength: Strength
    number: int
    began: float = 0.0
    ended: float = 0.0
    positions: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    clients: set[str] = field(default_factory=set)
    subjects: set[str] = field(default_factory=set)
    grants: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    decided: bool = False

    def note(self, position: int, at: float) -> None:
        """One more event of the attack; one that was noted before changes nothing."""
        if self.positions and position <= self.positions[-1]:
            return
        if not self.positions:
            self.began = at
        self.positions.append(position)
        self.times.append(at)
        self.ended = max(self.ended, at)

    def clear(self) -> None:
        """There was no victim after all."""
        for about in (self.clients, self.subjects, self.grants, self.sources):
            about.clear()

    @property
    def counts(self) -> bool:
        """Whether it came about: a stolen refresh token that nobody used twice is no reuse."""
        return bool(self.positions) and (self.kind != "refresh_token_reuse" or self.decided)

    @property
    def name(self) -> str:
        """Such as `password_spray strong 2`."""
        return f"{self.kind} {self.strength} {self.number}"

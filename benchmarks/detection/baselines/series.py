"""What burst rules look at: how much of what each client had, and which attacks by quantity there were."""

from __future__ import annotations

from typing import Literal, NamedTuple

from benchmarks.detection.labels import Label
from benchmarks.detection.simulate import Simulation
from schema.envelope import Fact
from schema.events import TokenIssued, TokenRefreshed, UsageRecorded

What = Literal["issuance_burst", "introspection_burst"]


class Counted(NamedTuple):
    """So much of one thing at one client at one moment, and the fact that says so."""

    client: str
    what: What
    at: float
    weight: int
    fact: Fact


class Weeks(NamedTuple):
    """One seed's counts in order of time, and its attacks."""

    seed: int
    counts: list[Counted]
    labels: list[Label]


def weeks_of(seed: int) -> Weeks:
    """Simulate a seed."""
    simulation, counts = Simulation(seed), list[Counted]()
    for fact in simulation.facts():
        event, at = fact.event, fact.recorded_at.timestamp()
        if isinstance(event, TokenIssued | TokenRefreshed):
            counts.append(Counted(event.client_id, "issuance_burst", at, 1, fact))
        elif isinstance(event, UsageRecorded):
            number = sum(kind.count for kind in event.introspections)
            counts.append(Counted(event.client_id, "introspection_burst", at, number, fact))
    return Weeks(seed, counts, simulation.labels)

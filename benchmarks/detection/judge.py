"""One seed through all rules: its findings, matched with its attacks, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.detection.countries import write_table
from benchmarks.detection.labels import Label
from benchmarks.detection.match import Found, Matched, begun, match
from benchmarks.detection.sim.world import Size
from benchmarks.detection.simulate import Simulation
from consumers.anomalies.findings import Findings
from consumers.anomalies.judge import Judge
from consumers.anomalies.rule import Countries, all_rules
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact


@dataclass(slots=True)
class Outcome:
    """What came of a seed. Times are in seconds of the clock on the wall."""

    seed: int
    size: Size
    events: int
    clients: int
    labels: list[Label]
    matched: Matched
    simulating: float
    judging: float


def judge_seed(seed: int, size: Size | None = None, thresholds: Thresholds | None = None) -> Outcome:
    """Simulate a seed's weeks and judge them as they happen."""
    simulation = Simulation(seed, size)
    began = time.perf_counter()
    with TemporaryDirectory() as folder:
        table = Path(folder) / "countries.mmdb"
        write_table(table)
        countries = Countries(table)
        findings, events, judging = judge(simulation.facts(), thresholds or Thresholds(), countries)
        countries.close()
    simulating = time.perf_counter() - began - judging
    labels = simulation.labels
    clients = len(simulation.world.machines) + len(simulation.world.apps) + len(simulation.world.apis)
    matched = match(findings, labels)
    return Outcome(seed, simulation.world.size, events, clients, labels, matched, simulating, judging)


def judge(facts: Iterable[Fact], thresholds: Thresholds, countries: Countries) -> tuple[list[Found], int, float]:
    """The findings of facts, how many facts there were, and the seconds spent judging."""
    judged = Judge(all_rules(thresholds, countries), Findings())
    found: dict[object, Found] = {}
    events, spent = 0, 0.0
    for fact in facts:
        events += 1
        began = time.perf_counter()
        for told in judged.judge(fact):
            if told.number == 1:
                found[told.stream] = begun(told)
            found[told.stream].grow(told, fact.recorded_at.timestamp())
        spent += time.perf_counter() - began
    return list(found.values()), events, spent

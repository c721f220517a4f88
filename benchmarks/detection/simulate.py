"""One seed's weeks: facts in the order of their positions, and the attacks among them."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.detection.attacks.plan import start_attacks
from benchmarks.detection.labels import Label
from benchmarks.detection.sim.cast import populate
from benchmarks.detection.sim.crowds import start_crowds
from benchmarks.detection.sim.machines import start_machine, use
from benchmarks.detection.sim.oddities import start_oddities
from benchmarks.detection.sim.people import live
from benchmarks.detection.sim.schedule import DAY, HOUR, Process
from benchmarks.detection.sim.world import Machine, Size, World
from schema.envelope import Fact


class Simulation:
    """A world that goes through its days. `labels` are complete once `facts` has ended.

    The same seed and size give the same facts. Without `attacks` nobody means any harm.
    """

    def __init__(self, seed: int, size: Size | None = None, *, attacks: bool = True) -> None:
        self.world = World(seed, size or Size())
        self.labels: list[Label] = []
        self._seed = seed
        self._attacks = attacks

    def facts(self) -> Iterator[Fact]:
        """What the service journals, as it happens."""
        world = self.world
        populate(world)
        _start(world)
        if self._attacks:
            self.labels = start_attacks(world, self._seed)
        for hour in range(1, world.size.days * 24 + 1):
            world.schedule.run(world.schedule.start + hour * HOUR)
            yield from world.ledger.take()


def _start(world: World) -> None:
    schedule, random = world.schedule, world.random
    for machine in world.machines:
        if machine.kind != "sleeper":
            start_machine(world, machine)
    for app in world.apps:
        if app.uses:
            schedule.begin(use(world, app), random.uniform(0, 60))
    for person in world.people:
        schedule.begin(live(world, person), random.uniform(0, 600))
    schedule.begin(world.introspection.record())
    start_oddities(world)
    start_crowds(world)
    _start_sleepers(world)


def _start_sleepers(world: World) -> None:
    """Clients that work for some days and then no more; nobody has removed them."""
    for machine in world.machines:
        if machine.kind == "sleeper":
            start_machine(world, machine)
            world.schedule.begin(_fall_asleep(machine), world.random.uniform(1, 5) * DAY)


def _fall_asleep(machine: Machine) -> Process:
    machine.awake = False
    yield 0.0

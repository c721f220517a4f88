"""Attacks by quantity: far more tokens, or far more use of them, than a client ever has at such an hour."""

from __future__ import annotations

from benchmarks.detection.attacks.raid import Raid
from benchmarks.detection.sim.rhythm import poisson
from benchmarks.detection.sim.schedule import HOUR, MINUTE, Process
from benchmarks.detection.sim.world import Machine

_PEAK = 2.7
_RECORDS = 2.0
"""A minute, at least."""


def issuance_burst(raid: Raid) -> Process:
    """A host that was got into takes tokens: a dozen times the busiest hour's, or three times this hour's."""
    victim = raid.machine(lambda machine: machine.kind in {"service", "jobs"})
    caller = victim.caller(raid.host(victim))
    hourly = tokens_an_hour(victim)
    wanted = 12 * hourly * _PEAK if raid.strong else 3 * hourly * max(raid_level(raid, victim), 0.3)
    number = int(max(wanted / 4, 60)) if raid.strong else int(max(wanted * 1.5, 20))
    lasts = 15 * MINUTE if raid.strong else 90 * MINUTE
    for _ in range(number):
        if victim.client_id in raid.world.access.clients:
            raid.ask(victim, caller, victim.scopes)
        yield raid.random.expovariate(number / lasts)


def introspection_burst(raid: Raid) -> Process:
    """A stolen token is used to fetch everything: at a dozen times the busiest rate, or at three times this hour's.

    What there is to fetch are some hundred records at least, or it were not worth the theft.
    """
    victim = raid.machine(lambda machine: machine.uses >= 0.1 * raid.world.size.busy)
    world, mean = raid.world, max(victim.uses * raid_level(raid, victim), victim.uses * 0.3)
    rate = max(12 * victim.uses * _PEAK, 6 * _RECORDS) if raid.strong else max(3 * mean, _RECORDS)
    ends = world.schedule.now + (15 * MINUTE if raid.strong else 90 * MINUTE)
    while world.schedule.now < ends:
        number = poisson(raid.random, rate)
        token = victim.token
        if number and token is not None and not token.grant.revoked:
            world.introspection.count(victim.api, token.grant, number, label=raid.label)
        yield MINUTE


def tokens_an_hour(machine: Machine) -> float:
    """What a client takes on average."""
    if machine.kind == "service":
        return len(machine.hosts) * HOUR / (machine.lifetime * 0.88)
    return machine.rate


def raid_level(raid: Raid, machine: Machine) -> float:
    """How busy a client is at this hour, relative to its mean; one whose hosts keep a token is always the same."""
    steady = machine.kind == "service" and raid.label.kind == "issuance_burst"
    return 1.0 if steady else machine.rhythm.at(raid.world.schedule.now)

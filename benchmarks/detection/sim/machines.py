"""Machine clients at work: hosts that keep a token, jobs that take one each, runs at set times."""

from __future__ import annotations

from benchmarks.detection.sim.cast import new_host
from benchmarks.detection.sim.rhythm import poisson
from benchmarks.detection.sim.schedule import DAY, HOUR, MINUTE, Process
from benchmarks.detection.sim.state import Token
from benchmarks.detection.sim.world import App, Host, Machine, World

_BACKOFF = (2.0, 5.0, 15.0, 60.0, 180.0)
_QUIET = 0.02
_SELDOM = 0.001
_TOLD = 0.05
"""How often an API tells where a service's token came from; hosts of one service may share a token."""


def start_machine(world: World, machine: Machine) -> None:
    """Begin whatever a machine client does."""
    schedule, random = world.schedule, world.random
    if machine.kind == "service":
        for host in machine.hosts:
            schedule.begin(keep_a_token(world, machine, host), random.uniform(0, machine.lifetime))
        if machine.grows:
            schedule.begin(_scale(world, machine), random.uniform(0, HOUR))
    elif machine.kind == "cron":
        schedule.begin(_runs(world, machine), random.uniform(0, machine.period))
    else:
        schedule.begin(_jobs(world, machine))
    if machine.uses:
        schedule.begin(use(world, machine), random.uniform(0, MINUTE))


def ask(world: World, machine: Machine, host: Host, scopes: tuple[str, ...] | None = None) -> Token | None:
    """A host asks for a token, as it always does."""
    token = world.tokens.client_credentials(
        machine.client_id, host.secret, scopes or machine.scopes, machine.caller(host)
    )
    if token is not None:
        machine.token = token
    return token


def keep_a_token(world: World, machine: Machine, host: Host) -> Process:
    """A host that takes a token, and a new one shortly before it expires; it tries again, ever slower, when refused."""
    failed = 0
    while host.up and machine.client_id in world.access.clients:
        if ask(world, machine, host) is not None:
            failed = 0
            yield machine.lifetime * world.random.uniform(0.82, 0.95)
        else:
            yield _BACKOFF[min(failed, len(_BACKOFF) - 1)] * world.random.uniform(0.9, 1.1)
            failed += 1


def _scale(world: World, machine: Machine) -> Process:
    """Hosts come and go with the load."""
    least = len(machine.hosts)
    while True:
        yield world.random.uniform(0.4, 0.7) * HOUR
        wanted = least + round(least * min(machine.rhythm.at(world.schedule.now), 3.0) * 0.5)
        up = [host for host in machine.hosts if host.up]
        if len(up) < wanted and up:
            host = new_host(world, machine, up[0].secret)
            machine.hosts.append(host)
            world.schedule.begin(keep_a_token(world, machine, host), world.random.uniform(1, 20))
        elif len(up) > wanted:
            up[-1].up = False
            machine.hosts.remove(up[-1])


def _jobs(world: World, machine: Machine) -> Process:
    """A token for each job, in the rhythm of the day; more of them when books are closed."""
    while machine.awake and machine.client_id in world.access.clients:
        rate = machine.rate * machine.rhythm.at(world.schedule.now)
        if machine.kind == "jobs" and machine.rate > 4 and world.month_end():
            rate *= 3
        gap = world.random.expovariate(max(rate, _QUIET) / HOUR)
        yield min(gap, HOUR)
        if gap <= HOUR:
            host = world.random.choice(machine.hosts)
            if machine.kind == "ci":
                host = new_host(world, machine, host.secret)
            ask(world, machine, host)


def _runs(world: World, machine: Machine) -> Process:
    """A run each period: some tokens within seconds; now and then one is missed, and made up for."""
    missed = 0
    while machine.client_id in world.access.clients:
        runs, missed = 1 + missed, 0
        if world.random.random() < 0.01:
            missed = runs
            runs = 0
        closing = machine.period >= DAY and world.month_end()
        for _ in range(runs * max(1, int(machine.rate)) * (4 if closing else 1)):
            ask(world, machine, world.random.choice(machine.hosts))
            yield world.random.uniform(0.2, 4)
        since = (world.schedule.now - world.schedule.start) % machine.period
        yield machine.period - since + world.random.uniform(0, 20) + world.random.uniform(0, 40) * (machine.rate > 1)


def use(world: World, owner: Machine | App) -> Process:
    """The tokens of a client are shown to its API, which asks whether they are active."""
    while owner.awake:
        mean = owner.uses * owner.rhythm.at(world.schedule.now)
        gap = world.random.expovariate(max(mean, _SELDOM) / MINUTE)
        often = mean > 0.3
        yield MINUTE if often else min(gap, HOUR)
        number = poisson(world.random, mean) if often else int(gap <= HOUR)
        if number and owner.token is not None and not owner.token.grant.revoked:
            world.introspection.count(owner.api, owner.token.grant, number, age=world.random.randrange(1, 600))
            if isinstance(owner, Machine) and world.random.random() < _TOLD:
                bearer = owner.caller(world.random.choice(owner.hosts))
                world.introspection.ask(owner.api, owner.token, bearer)

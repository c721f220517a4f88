"""What happens at honest clients and looks odd: deploys, moves, fail-overs, rotations, forgotten hosts, mistakes."""

from __future__ import annotations

import msgspec

from benchmarks.detection.sim import agents
from benchmarks.detection.sim.cast import make_machine, new_host
from benchmarks.detection.sim.machines import ask, keep_a_token, start_machine
from benchmarks.detection.sim.places import Network
from benchmarks.detection.sim.schedule import DAY, HOUR, MINUTE, Process
from benchmarks.detection.sim.world import Host, Machine, MachineKind, World


def start_oddities(world: World) -> None:
    """Begin what may befall the machine clients of a world."""
    schedule, random, days = world.schedule, world.random, world.size.days
    for machine in world.machines:
        if machine.kind in {"service", "jobs"}:
            schedule.begin(_deploys(world, machine), random.uniform(0, 9) * DAY)
        if machine.kind != "sleeper" and random.random() < 0.35:
            schedule.begin(_rotation(world, machine), random.uniform(1, days - 2) * DAY)
        if machine.kind in {"service", "jobs", "cron"} and random.random() < 0.2:
            schedule.begin(_move(world, machine), random.uniform(1, days - 1) * DAY)
        if machine.kind == "partner" and random.random() < 0.25:
            schedule.begin(_partner_moves(world, machine), random.uniform(1, days - 1) * DAY)
    for _ in range(max(1, days // 16)):
        schedule.begin(_fail_over(world), random.uniform(2, days - 1) * DAY)
    for _ in range(max(1, days // 12)):
        schedule.begin(_newcomer(world), random.uniform(3, days - 2) * DAY)
    schedule.begin(_retirement(world), random.uniform(6, days - 4) * DAY)
    schedule.begin(_month_end_report(world), 8 * HOUR)


def _deploys(world: World, machine: Machine) -> Process:
    """A release every week or so: hosts restart one after the other; some releases have a mistake in them."""
    random = world.random
    while True:
        while not (world.is_working_day() and 9 <= world.hour(machine.rhythm.zone) <= 17):
            yield random.uniform(1, 2) * HOUR
        machine.agent = agents.next_release(machine.agent or "", random)
        fate = random.random()
        if fate < 0.08:
            yield from _wrong_scope(world, machine)
        elif fate < 0.14:
            yield from _wrong_secret(world, machine)
        elif fate < 0.30:
            yield from _new_feature(world, machine)
        yield from restart(world, machine)
        yield random.uniform(4, 11) * DAY


def restart(world: World, machine: Machine) -> Process:
    """Every host is replaced by one that takes a token at once."""
    for host in list(machine.hosts):
        replace_host(world, machine, host, Host(host.address, host.network, host.secret))
        yield world.random.uniform(0.5, 30)


def replace_host(world: World, machine: Machine, host: Host, fresh: Host) -> None:
    """One host stops, another one starts in its place."""
    host.up = False
    if host in machine.hosts:
        machine.hosts.remove(host)
    machine.hosts.append(fresh)
    if machine.kind == "service":
        world.schedule.begin(keep_a_token(world, machine, fresh), world.random.uniform(0.1, 2))


def _wrong_scope(world: World, machine: Machine) -> Process:
    """A release asks for a scope that nobody registered, from every host again and again, until it is."""
    settings = world.access.clients[machine.client_id].settings
    wanted = next((scope for scope in machine.api.scopes if scope not in settings.scopes), None)
    if wanted is None:
        return
    ends = world.schedule.now + world.random.uniform(3, 40) * MINUTE
    while world.schedule.now < ends:
        ask(world, machine, world.random.choice(machine.hosts), (*machine.scopes, wanted))
        yield world.random.uniform(5, 60)
    if world.random.random() < 0.6:
        world.access.update(msgspec.structs.replace(settings, scopes=(*settings.scopes, wanted)))
        machine.scopes = (*machine.scopes, wanted)


def _wrong_secret(world: World, machine: Machine) -> Process:
    """A release has the secret of another environment; every host tries until it is rolled back."""
    hosts, ends = list(machine.hosts), world.schedule.now + world.random.uniform(2, 25) * MINUTE
    while world.schedule.now < ends:
        for host in hosts:
            ask(world, machine, Host(host.address, host.network, "of the staging environment"))
            yield world.random.uniform(0.5, 3)
        yield world.random.uniform(5, 60)


def _new_feature(world: World, machine: Machine) -> Process:
    """The client is given one more scope, and the release after that asks for it."""
    settings = world.access.clients[machine.client_id].settings
    wanted = next((scope for scope in machine.api.scopes if scope not in settings.scopes), None)
    if wanted is not None:
        world.access.update(msgspec.structs.replace(settings, scopes=(*settings.scopes, wanted)))
        yield world.random.uniform(5, 180) * MINUTE
        machine.scopes = (*machine.scopes, wanted)


def _rotation(world: World, machine: Machine) -> Process:
    """A new secret, brought to the hosts within hours; one is forgotten at times, and notices when the old one ends."""
    random = world.random
    if machine.client_id not in world.access.clients:
        return
    secret = world.access.rotate(machine.client_id)
    forgotten = random.random() < 0.4
    for number, host in enumerate(list(machine.hosts)):
        if not (forgotten and number == 0):
            yield random.uniform(1, 40) * MINUTE
            host.secret = secret
    if forgotten:
        yield DAY + random.uniform(1, 10) * HOUR
    for host in machine.hosts:
        host.secret = secret


def _move(world: World, machine: Machine) -> Process:
    """The hosts of a client move into another network of the house, which others are in or which is brand-new."""
    random = world.random
    centre = random.choice(world.centres)
    if random.random() < 0.25:
        centre.append(world.places.network(centre[0].country))
        network = centre[-1]
    else:
        network = random.choice(centre)
    machine.networks = [network]
    yield from _to(world, machine, network, pause=20 * MINUTE)


def _partner_moves(world: World, machine: Machine) -> Process:
    """A partner has a new provider, and tells nobody."""
    network = world.places.network(machine.networks[0].country)
    machine.networks = [network]
    yield from _to(world, machine, network, pause=2 * HOUR)


def _fail_over(world: World) -> Process:
    """A data centre fails: all that is in it starts in another one at once, and goes back hours later."""
    random = world.random
    failed, other = random.sample(world.centres, k=2)
    moved = [
        (machine, host, host.network)
        for machine in world.machines
        for host in machine.hosts
        if host.up and host.network in failed
    ]
    for machine, host, _ in moved:
        replace_host(world, machine, host, new_host(world, machine, host.secret, random.choice(other)))
        yield random.uniform(0.1, 3)
    yield random.uniform(1, 8) * HOUR
    for machine, _, network in moved:
        for host in [host for host in machine.hosts if host.network in other][:1]:
            replace_host(world, machine, host, new_host(world, machine, host.secret, network))
            yield random.uniform(1, 20)


def _to(world: World, machine: Machine, network: Network, *, pause: float) -> Process:
    for host in list(machine.hosts):
        replace_host(world, machine, host, new_host(world, machine, host.secret, network))
        yield world.random.uniform(0.2, 1) * pause


def _newcomer(world: World) -> Process:
    """A client that is registered and starts a while later."""
    random = world.random
    kinds: tuple[MachineKind, ...] = ("service", "jobs", "partner")
    kind = random.choice(kinds)
    number = sum(machine.kind == kind for machine in world.machines)
    machine = make_machine(world, kind, number)
    world.machines.append(machine)
    yield random.uniform(0.1, 60) * HOUR
    start_machine(world, machine)


def _retirement(world: World) -> Process:
    """A client is removed; a forgotten host of it goes on asking for a few days."""
    random = world.random
    machine = random.choice([each for each in world.machines if each.kind == "cron"])
    world.access.remove(machine.client_id)
    forgotten, ends = machine.hosts[0], world.schedule.now + random.uniform(0.5, 4) * DAY
    while world.schedule.now < ends:
        yield min(max(machine.period, HOUR), 6 * HOUR)
        ask(world, machine, forgotten)


def _month_end_report(world: World) -> Process:
    """One client asks, when books are closed and not before, for a scope that it has had all along."""
    random = world.random
    machine = random.choice([each for each in world.machines if each.kind == "jobs"])
    allowed = world.access.clients[machine.client_id].settings.scopes
    rare = next(scope for scope in allowed if scope not in machine.scopes)
    while True:
        if world.month_end():
            ask(world, machine, machine.hosts[0], (rare,))
        yield DAY

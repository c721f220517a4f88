"""Attacks on machine clients: guessing their secrets, and what is done with a stolen one."""

from __future__ import annotations

from benchmarks.detection.attacks.raid import NoVictim, Raid
from benchmarks.detection.sim.places import HOME_COUNTRIES, Caller
from benchmarks.detection.sim.schedule import DAY, HOUR, MINUTE, Process
from benchmarks.detection.sim.world import Machine

_WORDS = (
    "billing",
    "admin",
    "internal",
    "backend",
    "mobile",
    "partner",
    "crm",
    "erp",
    "data",
    "prod",
    "staging",
    "sync",
)
_OTHER_LIBRARIES = ("python-requests/2.32.0", "Go-http-client/1.1", "okhttp/4.12.0", "axios/1.7.2")


def client_secret_guessing(raid: Raid) -> Process:
    """Hundreds of secrets in minutes from one machine, or a dozen and more from a few homes within the hour."""
    victim = raid.machine()
    sources = [raid.caller(raid.country(victim), victim.agent) for _ in range(1 if raid.strong else 4)]
    number = raid.random.randrange(80, 300) if raid.strong else raid.random.randrange(15, 30)
    for _ in range(number):
        _guess(raid, victim, raid.random.choice(sources))
        yield raid.random.uniform(0.5, 6) if raid.strong else raid.random.uniform(1, 3.5) * MINUTE


def slow_secret_guessing(raid: Raid) -> Process:
    """A few guesses an hour for days; the patient one takes another home for each."""
    victim = raid.machine()
    ends = raid.world.schedule.now + raid.random.uniform(2, 3) * DAY * (1 if raid.strong else 2)
    sources = [raid.caller(raid.country(victim), victim.agent) for _ in range(2 if raid.strong else 40)]
    while raid.world.schedule.now < ends and victim.client_id in raid.world.access.clients:
        _guess(raid, victim, raid.random.choice(sources))
        raid.again(victim)
        yield raid.random.uniform(8, 15) * MINUTE if raid.strong else raid.random.uniform(40, 80) * MINUTE


def client_probing(raid: Raid) -> Process:
    """Names of clients are tried out: a long list at once, or a few an hour from changing homes."""
    names = [f"{one}-{two}" for one in _WORDS for two in ("api", "service", "worker", "app", "client", "job")]
    raid.random.shuffle(names)
    sources = [raid.caller(raid.random.choice(HOME_COUNTRIES), "okhttp/4.9.0") for _ in range(1 if raid.strong else 5)]
    for name in names[: 70 if raid.strong else 45]:
        caller = raid.random.choice(sources)
        with raid.acting():
            raid.world.access.refuse("token", "invalid_client", "unknown_client", caller, claimed=name)
        yield raid.random.uniform(0.5, 8) if raid.strong else raid.random.uniform(10, 30) * MINUTE


def scope_probing(raid: Raid) -> Process:
    """What can this secret get? Everything is asked for: at once from anywhere, or bit by bit from a host got into."""
    victim = raid.machine()
    host = raid.host(victim)
    caller = raid.rented() if raid.strong else victim.caller(host)
    raid.label.sources.add(caller.source)
    asked = [(api.uri, scope) for api in raid.world.apis for scope in api.scopes]
    raid.random.shuffle(asked)
    for uri, scope in asked[: 25 if raid.strong else 12]:
        if victim.client_id not in raid.world.access.clients:
            return
        raid.ask(victim, caller, (scope,), uri)
        yield raid.random.uniform(1, 20) if raid.strong else raid.random.uniform(0.5, 2.5) * HOUR


def new_scope(raid: Raid) -> Process:
    """A stolen secret is used for what its owner may do and never did."""
    victim = raid.machine(lambda machine: bool(_never_asked(raid, machine)))
    caller = raid.rented() if raid.strong else victim.caller(raid.host(victim))
    raid.label.sources.add(caller.source)
    rare = _never_asked(raid, victim)
    for scope in rare if raid.strong else rare[:1]:
        raid.ask(victim, caller, (scope,))
        yield raid.random.uniform(1, 20) * MINUTE


def dormant_client(raid: Raid) -> Process:
    """A client that nobody has used for weeks works again, loudly or once from where it used to be."""
    world = raid.world
    asleep = [each for each in world.machines if not each.awake and not each.woken]
    victim = raid.pick(asleep)
    victim.woken = True
    raid.label.clients.add(victim.client_id)
    caller = raid.rented() if raid.strong else victim.caller(victim.hosts[0])
    raid.label.sources.add(caller.source)
    for _ in range(raid.random.randrange(10, 40) if raid.strong else 1):
        raid.ask(victim, caller, victim.scopes)
        yield raid.random.uniform(1, 4) * MINUTE


def machine_new_source(raid: Raid) -> Process:
    """A stolen secret is used from another network, beside its owner: with any tool, or looking the same."""
    victim = raid.machine()
    caller = raid.caller(raid.country(victim), victim.agent)
    if not raid.strong:
        network = raid.world.places.network(raid.country(victim) or "DE")
        caller = Caller(network.address(raid.random.randrange(254)), victim.agent)
        raid.label.sources.add(caller.source)
    for _ in range(raid.random.randrange(4, 12) if raid.strong else 2):
        if victim.client_id in raid.world.access.clients:
            raid.ask(victim, caller, victim.scopes)
        yield raid.random.uniform(2, 15) * MINUTE if raid.strong else raid.random.uniform(5, 12) * HOUR


def machine_new_agent(raid: Raid) -> Process:
    """Somebody got into a host, and uses its secret from there with other software."""
    victim = raid.machine()
    host = raid.host(victim)
    mine = (victim.agent or "").partition("/")[0]
    others = [agent for agent in _OTHER_LIBRARIES if agent.partition("/")[0] not in (victim.agent or mine)]
    agent = "curl/8.5.0" if raid.strong else raid.random.choice(others)
    raid.label.sources.add(host.address)
    for _ in range(raid.random.randrange(5, 15) if raid.strong else 1):
        raid.ask(victim, Caller(host.address, agent), victim.scopes)
        yield raid.random.uniform(1, 5) * MINUTE


def _guess(raid: Raid, victim: Machine, caller: Caller) -> None:
    if victim.client_id not in raid.world.access.clients:
        raise NoVictim
    with raid.acting():
        raid.world.tokens.client_credentials(victim.client_id, "a guess", victim.scopes, caller)


def _never_asked(raid: Raid, machine: Machine) -> list[str]:
    allowed = raid.world.access.clients[machine.client_id].settings.scopes
    return [scope for scope in allowed if scope not in machine.scopes and scope in machine.api.scopes]

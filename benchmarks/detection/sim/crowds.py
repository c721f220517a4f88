"""What happens to people and looks odd: old passwords, conferences, offices that move; and the internet's noise."""

from __future__ import annotations

from benchmarks.detection.sim import agents
from benchmarks.detection.sim.applications import open_phone_app
from benchmarks.detection.sim.people import phone_source
from benchmarks.detection.sim.places import HOME_COUNTRIES, Caller, Network
from benchmarks.detection.sim.schedule import DAY, HOUR, MINUTE, Process
from benchmarks.detection.sim.world import Person, World

_GUESSED_CLIENTS = ("admin", "test", "client", "default", "oauth", "demo", "api", "web", "app", "root", "mobile")
_GUESSED_NAMES = ("admin", "administrator", "info", "test", "root", "support", "sales", "office")


def start_crowds(world: World) -> None:
    """Begin what may befall people, and what comes from nobody in particular."""
    schedule, random, days = world.schedule, world.random, world.size.days
    for _ in range(max(1, world.size.people * days // 900)):
        schedule.begin(_new_password(world), random.uniform(0.5, days - 1) * DAY)
    if world.size.people >= 40:
        schedule.begin(_conference(world), random.randrange(max(1, days - 1)) * DAY + 7 * HOUR)
    schedule.begin(_office_moves(world), random.uniform(5, days - 1) * DAY)
    schedule.begin(_scanners(world))
    schedule.begin(_sign_in_bots(world))
    schedule.begin(_stale_tokens(world))


def _new_password(world: World) -> Process:
    """Somebody sets a new password; what remembers the old one tries it, from all over their things."""
    random, person = world.random, world.random.choice(world.people)
    while person.abroad is not None or not 7 <= world.hour(person.zone) <= 22:
        yield HOUR
    world.sign_in.change_password(person.account, person.home)
    client_id = random.choice(person.mobile).client_id if person.mobile else None
    for _ in range(random.randrange(0, 14)):
        yield random.expovariate(1 / (4 * MINUTE))
        at_home = random.random() < 0.6
        source = person.home if at_home else phone_source(world, person)
        caller = Caller(source, random.choice(person.browsers))
        world.sign_in.attempt(person.account.name, caller, client_id, right=False)


def _conference(world: World) -> Process:
    """A day on which many people use their phones in one hotel."""
    random = world.random
    country = random.choice(HOME_COUNTRIES)
    hotel = world.places.network(country).address(1)
    near = [person for person in world.people if person.country == country and person.abroad is None and person.mobile]
    for person in random.sample(near, k=min(25, len(near))):
        yield random.expovariate(1 / (6 * MINUTE))
        world.schedule.begin(open_phone_app(world, person, random.choice(person.mobile), hotel))


def _office_moves(world: World) -> Process:
    """An office gets another line, and with it another address."""
    old = world.random.choice(world.offices)
    new = world.places.network(old.country)
    world.offices[world.offices.index(old)] = new
    for person in world.people:
        _follow(person, old, new)
    yield 0.0


def _follow(person: Person, old: Network, new: Network) -> None:
    if person.office == old:
        person.office = new
    if person.vpn == old:
        person.vpn = new


def _scanners(world: World) -> Process:
    """Machines that look at everything there is on the internet, a few requests each, now and then hundreds."""
    random = world.random
    while True:
        yield random.expovariate(18 / DAY)
        caller = Caller(world.places.hosting().address(random.randrange(254)), agents.tool(random))
        for _ in range(random.choice((1, 1, 2, 3, 6, 12, 60))):
            _scan(world, caller)
            yield random.uniform(0.1, 4)


def _scan(world: World, caller: Caller) -> None:
    refuse, random = world.access.refuse, world.random
    match random.randrange(6):
        case 0:
            claimed = random.choice(_GUESSED_CLIENTS)
            refuse("token", "invalid_client", "unknown_client", caller, claimed=claimed)
        case 1:
            refuse("token", "invalid_request", "wrong_content_type", caller)
        case 2:
            endpoint = random.choice(("token", "introspect", "revoke"))
            refuse(endpoint, "invalid_request", "method_not_allowed", caller, status=405)
        case 3:
            refuse("introspect", "invalid_client", "no_client_authentication", caller)
        case 4:
            refuse("authorize", "invalid_request", "missing_parameter", caller, detail="client_id")
        case _:
            refuse("userinfo", "invalid_token", "no_token", caller, status=401)


def _sign_in_bots(world: World) -> Process:
    """Programs that try the names that every system has."""
    random = world.random
    while True:
        yield random.expovariate(14 / DAY)
        source = world.places.hosting().address(random.randrange(254))
        if random.random() < 0.4:
            source = world.places.through_a_home(random.choice(HOME_COUNTRIES))
        caller = Caller(source, agents.browser(random))
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            world.sign_in.attempt(random.choice(_GUESSED_NAMES), caller, None, right=False)
            yield random.uniform(1, 20)


def _stale_tokens(world: World) -> Process:
    """APIs are shown tokens that have expired, are for another API, or are none at all."""
    random = world.random
    while True:
        yield random.expovariate(90 / DAY)
        machine = random.choice(world.machines)
        token = machine.token
        if token is None or random.random() < 0.15:
            world.introspection.ask_nonsense(
                random.choice(world.apis), random.choice(("token_unknown", "token_malformed"))
            )
        elif random.random() < 0.1:
            world.introspection.ask(random.choice(world.apis), token)
        else:
            yield max(0.0, token.expires_at - world.schedule.now) + random.uniform(0, 30)
            for _ in range(random.choice((1, 1, 2, 5))):
                world.introspection.ask(machine.api, token)
                yield random.uniform(0.5, 15)

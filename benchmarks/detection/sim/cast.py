"""Who lives in a world: APIs, machine clients, applications and people, made from its random numbers."""

from __future__ import annotations

from random import Random

from benchmarks.detection.sim import agents
from benchmarks.detection.sim.places import HOME_COUNTRIES, Network
from benchmarks.detection.sim.rhythm import Shape
from benchmarks.detection.sim.sign_in import DEVICE_CODE
from benchmarks.detection.sim.state import OFFLINE_ACCESS, Api
from benchmarks.detection.sim.world import App, AppKind, Host, Machine, MachineKind, Person, World
from schema.events import ClientSettings

_TOPICS = ("orders", "payments", "users", "stock", "reports", "mail", "search", "prices", "claims", "fleet")
_LIFETIMES = (900, 1_800, 3_600, 3_600)
_ZONES = {"DE": 1, "FR": 1, "GB": 0, "US": -5}
_MACHINE_NAMES = {
    "service": ("order-router", "stock-sync", "pricing", "mail-out", "search-index", "payments-core", "fraud-check",
                "catalogue", "shipping", "notify", "ledger-feed", "image-proc", "geo", "tax"),
    "jobs": ("report-jobs", "export-jobs", "invoice-jobs", "thumb-jobs", "import-jobs", "sync-jobs", "etl-jobs"),
    "cron": ("cron-backup", "cron-billing", "cron-clean", "cron-rates", "cron-stats", "cron-mirror", "cron-audit",
             "cron-close", "cron-feeds", "cron-certs", "cron-ping"),
    "partner": ("partner-acme", "partner-nord", "partner-zeta", "partner-kite", "partner-luna", "partner-rex"),
    "ci": ("ci-main", "ci-mobile", "ci-infra"),
    "sleeper": ("old-importer", "legacy-sync", "poc-2023", "migration-tool", "former-vendor", "trial-app"),
}  # fmt: skip
_PERIODS = (300.0, 900.0, 3_600.0, 3_600.0, 14_400.0, 86_400.0, 86_400.0, 604_800.0, 43_200.0, 1_800.0)


def populate(world: World) -> None:
    """Fill a world."""
    size = world.size
    for number in range(size.apis):
        _add_api(world, _TOPICS[number], tells=number % 5 != 3)
    counts: dict[MachineKind, int] = {
        "service": size.services,
        "jobs": size.jobs,
        "cron": size.crons,
        "partner": size.partners,
        "ci": size.ci,
        "sleeper": size.sleepers,
    }
    for kind, number in counts.items():
        for index in range(number):
            world.machines.append(make_machine(world, kind, index))
    apps: dict[AppKind, int] = {"web": size.web, "mobile": size.mobile, "tv": size.tv}
    for app_kind, number in apps.items():
        for index in range(number):
            world.apps.append(make_app(world, app_kind, index))
    world.offices = [world.places.network(world.random.choice(HOME_COUNTRIES)) for _ in range(size.offices)]
    for number in range(size.people):
        world.people.append(make_person(world, number))


def make_machine(world: World, kind: MachineKind, index: int) -> Machine:
    """A machine client, registered and with its hosts set up, which nobody has started yet."""
    random, names = world.random, _MACHINE_NAMES[kind]
    client_id = names[index % len(names)] + (f"-{index // len(names) + 1}" if index >= len(names) else "")
    api = random.choice(world.apis)
    usual = tuple(sorted(random.sample(api.scopes, k=random.randrange(1, 3))))
    opaque = kind in {"service", "jobs", "partner"} and random.random() < 0.7
    lifetime = random.choice(_LIFETIMES)
    settings = ClientSettings(
        client_id=client_id,
        auth_method="client_secret_basic",
        grants=("client_credentials",),
        scopes=_registered_scopes(random, api, usual),
        resources=(api.uri,),
        token_format="opaque" if opaque else "jwt",
        access_token_lifetime=lifetime,
    )
    secret = world.access.add_client(settings).secret
    machine = Machine(
        client_id=client_id,
        kind=kind,
        api=api,
        scopes=usual,
        agent=agents.library(random, client_id, random.randrange(40)),
        lifetime=lifetime,
        rhythm=world.rhythm(_shape(random, kind), zone=random.choice((1, 1, 0, -5)), **_trend(random)),
        networks=_networks(world, kind),
        rate=random.choice((2.0, 5.0, 12.0)) if kind == "jobs" else random.choice((1.0, 1.0, 2.0, 6.0)),
        period=_PERIODS[index % len(_PERIODS)] if kind == "cron" else 0.0,
        uses=world.size.busy * random.choice((0.05, 0.15, 0.2, 0.3, 0.3, 10.0)) if opaque else 0.0,
        grows=kind == "service" and random.random() < 0.5,
    )
    for _ in range(random.randrange(2, 6) if kind == "service" else random.choice((1, 1, 2))):
        machine.hosts.append(new_host(world, machine, secret))
    return machine


def new_host(world: World, machine: Machine, secret: str | None, network: Network | None = None) -> Host:
    """One more host of a machine client, in one of its networks."""
    chosen = network or world.random.choice(machine.networks)
    return Host(chosen.address(world.random.randrange(254)), chosen, secret)


def make_app(world: World, kind: AppKind, index: int) -> App:
    """An application for people."""
    random, apis = world.random, world.apis
    api = random.choice([each for each in apis if each.tells] if kind == "mobile" else apis)
    client_id = f"{kind}-{('shop', 'desk', 'crm', 'wiki', 'pay', 'hr', 'chat')[index % 7]}"
    web = kind == "web"
    offline = () if web and index % 3 == 2 else (OFFLINE_ACCESS,)
    scopes = tuple(sorted((*api.scopes[: random.randrange(1, 3)], *offline, "openid", "profile")))
    settings = ClientSettings(
        client_id=client_id,
        auth_method="client_secret_basic" if web else "none",
        grants=("refresh_token", DEVICE_CODE if kind == "tv" else "authorization_code"),
        scopes=scopes,
        resources=(api.uri,),
        redirect_uris=(f"https://{client_id}.example/callback",),
        token_format="opaque" if index % 2 == 0 else "jwt",
        access_token_lifetime=random.choice((600, 900, 1_800)) if web else random.choice((1_800, 3_600)),
        first_party=index % 2 == 0,
    )
    secret = world.access.add_client(settings).secret
    centre = random.choice(world.centres)
    hosts = [random.choice(centre[:2]).address(random.randrange(254)) for _ in range(random.randrange(2, 5))]
    return App(
        client_id=client_id,
        kind=kind,
        api=api,
        scopes=scopes,
        secret=secret,
        agent=agents.library(random, client_id, index) if web else agents.phone_app(random, client_id),
        rhythm=world.rhythm("office" if web else "evening", weekend=0.15 if web else 1.1),
        uses=world.size.busy * random.choice((0.1, 0.3, 2.0)) if index % 2 == 0 else 0.0,
        hosts=hosts,
    )


def make_person(world: World, number: int) -> Person:
    """Somebody with an account."""
    random = world.random
    office = random.choice(world.offices) if random.random() < 0.7 else None
    near = world.places.country_of(office.address(0)) if office else None
    country = near if near and random.random() < 0.9 else random.choice(HOME_COUNTRIES)
    account = world.sign_in.add_account(f"person{number}", totp=random.random() < 0.25)
    web, mobile, tv = ([app for app in world.apps if app.kind == kind] for kind in ("web", "mobile", "tv"))
    return Person(
        account=account,
        country=country,
        zone=_ZONES[country],
        home=world.places.through_a_home(country),
        office=office,
        carrier=world.places.carrier(),
        browsers=tuple(agents.browser(random) for _ in range(random.randrange(1, 3))),
        phone=random.choice(("Android 14", "Android 15", "iOS 18.1", "iOS 17.6")),
        mistypes=random.choice((0.01, 0.03, 0.08, 0.15)),
        web=random.sample(web, k=min(len(web), random.randrange(1, 4))) if office else web[:1],
        mobile=random.sample(mobile, k=min(len(mobile), random.randrange(1, 3))),
        tv=random.sample(tv, k=1) if tv and random.random() < 0.2 else [],
        vpn=office if random.random() < 0.15 else None,
    )


def _add_api(world: World, topic: str, *, tells: bool) -> None:
    scopes = tuple(f"{verb}:{topic}" for verb in ("read", "write", "list", "admin", "export", "delete"))
    network = world.random.choice(world.random.choice(world.centres))
    addresses = tuple(network.address(world.random.randrange(254)) for _ in range(3))
    api = Api(f"{topic}-api", f"https://api.example/{topic}", scopes, tells, addresses, f"{topic}-api/1.0")
    world.apis.append(api)
    world.access.add_api(api)


def _registered_scopes(random: Random, api: Api, usual: tuple[str, ...]) -> tuple[str, ...]:
    """What a client may ask for: mostly more than it ever does."""
    others = [scope for scope in api.scopes if scope not in usual]
    return tuple(sorted((*usual, *random.sample(others, k=random.randrange(1, 4)))))


def _networks(world: World, kind: MachineKind) -> list[Network]:
    random = world.random
    if kind == "ci":
        return [world.places.network("US") for _ in range(30)]
    if kind in {"partner", "sleeper"}:
        return [world.places.network(random.choice(HOME_COUNTRIES)) for _ in range(random.choice((1, 1, 2)))]
    centre = random.choice(world.centres)
    return random.sample(centre, k=random.choice((1, 2)))


def _shape(random: Random, kind: MachineKind) -> Shape:
    shapes: dict[MachineKind, tuple[Shape, ...]] = {
        "service": ("flat", "office", "evening", "evening"),
        "jobs": ("office", "office", "night"),
        "partner": ("office",),
        "ci": ("office",),
    }
    return random.choice(shapes.get(kind, ("flat",)))


def _trend(random: Random) -> dict[str, float]:
    return {"weekend": random.choice((0.2, 0.5, 1.0)), "growth": random.choice((0.0, 0.0, 0.03, 0.06))}

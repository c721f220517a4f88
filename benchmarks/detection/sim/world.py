"""A world: time, places and the service, and who lives in it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from random import Random
from typing import Literal, NamedTuple

from benchmarks.detection.sim.access import Access
from benchmarks.detection.sim.introspection import Introspection
from benchmarks.detection.sim.ledger import Ledger
from benchmarks.detection.sim.places import Caller, Network, Places
from benchmarks.detection.sim.rhythm import Rhythm, Shape
from benchmarks.detection.sim.schedule import DAY, HOUR, Schedule
from benchmarks.detection.sim.sign_in import SignIn
from benchmarks.detection.sim.state import Account, Api, Session, Token
from benchmarks.detection.sim.tokens import TokenEndpoint

_FIRST_MONDAY = dt.datetime(2025, 3, 3, tzinfo=dt.UTC)

MachineKind = Literal["service", "jobs", "cron", "partner", "ci", "sleeper"]
AppKind = Literal["web", "mobile", "tv"]


class Size(NamedTuple):
    """How much of everything; `learning` are days without attacks, `instances` attacks of each kind and strength.

    `busy` scales how often tokens are introspected.
    """

    days: int = 35
    learning: int = 14
    people: int = 240
    offices: int = 4
    apis: int = 5
    services: int = 12
    jobs: int = 6
    crons: int = 10
    partners: int = 5
    ci: int = 2
    sleepers: int = 5
    web: int = 6
    mobile: int = 4
    tv: int = 2
    instances: int = 2
    busy: float = 1.0


@dataclass(slots=True, eq=False)
class Host:
    """A machine of a client: where it is, and the secret that it was given. It stops when it is no longer `up`."""

    address: str
    network: Network
    secret: str | None
    up: bool = True


@dataclass(slots=True, eq=False)
class Machine:
    """A client that acts for itself. `rate` are tokens an hour, or those of one run; `uses` introspections a minute."""

    client_id: str
    kind: MachineKind
    api: Api
    scopes: tuple[str, ...]
    agent: str | None
    lifetime: int
    rhythm: Rhythm
    networks: list[Network]
    rate: float = 0.0
    period: float = 0.0
    uses: float = 0.0
    hosts: list[Host] = field(default_factory=list)
    token: Token | None = None
    grows: bool = False
    awake: bool = True
    woken: bool = False

    def caller(self, host: Host) -> Caller:
        """What the service sees of a host."""
        return Caller(host.address, self.agent)


@dataclass(slots=True, eq=False)
class App:
    """A client that people use. A web application has a secret, and a back end that asks for tokens."""

    client_id: str
    kind: AppKind
    api: Api
    scopes: tuple[str, ...]
    secret: str | None
    agent: str
    rhythm: Rhythm
    uses: float
    hosts: list[str]
    token: Token | None = None
    awake: bool = True


@dataclass(slots=True, eq=False)
class Held:
    """A token that somebody's application holds, and the refresh token that it would use next."""

    token: Token
    refresh: str | None


@dataclass(slots=True, eq=False)
class Person:
    """Somebody with an account, a home, perhaps an office, a phone, and habits."""

    account: Account
    country: str
    zone: int
    home: str
    office: Network | None
    carrier: int
    browsers: tuple[str, ...]
    phone: str
    mistypes: float
    web: list[App]
    mobile: list[App]
    tv: list[App]
    vpn: Network | None = None
    abroad: str | None = None
    at_hotel: Network | None = None
    sessions: dict[str, Session] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    signed_in_at: float = 0.0


class World:
    """Everything of one seed. `random` is that of the innocent; attackers have their own."""

    def __init__(self, seed: int, size: Size) -> None:
        self.size = size
        self.random = Random(seed)
        start = _FIRST_MONDAY + dt.timedelta(weeks=seed * 7 % 60)
        self.schedule = Schedule(start.timestamp())
        self.ledger = Ledger(self.schedule, self.random)
        self.places = Places(self.random)
        self.access = Access(self.ledger, self.schedule)
        self.tokens = TokenEndpoint(self.access)
        self.sign_in = SignIn(self.access, self.tokens)
        self.introspection = Introspection(self.access)
        self.holidays = frozenset(self.random.sample(range(size.days), k=max(1, size.days // 14)))
        self.centres: list[list[Network]] = [
            [self.places.network(country) for _ in range(4)] for country in ("DE", "FR", "US")
        ]
        self.apis: list[Api] = []
        self.machines: list[Machine] = []
        self.apps: list[App] = []
        self.people: list[Person] = []
        self.offices: list[Network] = []

    def rhythm(self, shape: Shape, *, zone: int = 1, weekend: float = 0.3, growth: float = 0.0) -> Rhythm:
        """A rhythm with noise of its own."""
        noise = self.random.uniform(0.08, 0.2)
        seed = self.random.getrandbits(48)
        return Rhythm(self.schedule.start, shape, zone, weekend, growth, noise, seed, self.holidays)

    def until(self, day: float) -> float:
        """Seconds until a moment, in days since the start; at least 0."""
        return max(0.0, self.schedule.start + day * DAY - self.schedule.now)

    def hour(self, zone: int) -> float:
        """The hour of the day somewhere."""
        return (self.schedule.now / HOUR + zone) % 24

    def is_working_day(self) -> bool:
        """Whether it is neither weekend nor holiday."""
        day = int(self.schedule.day)
        return day % 7 < 5 and day not in self.holidays

    def month_end(self) -> bool:
        """Whether it is the last two days or the first day of a month, when books are closed."""
        now = dt.datetime.fromtimestamp(self.schedule.now, dt.UTC)
        return now.day == 1 or (now + dt.timedelta(days=2)).day <= 2

"""What every attack needs: a victim that nobody attacks just now, and somewhere to come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from random import Random
from typing import TypeVar

from benchmarks.detection.labels import Label
from benchmarks.detection.sim import agents
from benchmarks.detection.sim.places import Caller
from benchmarks.detection.sim.schedule import HOUR
from benchmarks.detection.sim.world import App, Held, Host, Machine, Person, World

_APART = 18 * HOUR
Victim = TypeVar("Victim", Machine, Person, App)


class NoVictim(Exception):
    """Nobody can be attacked in this way now."""


class Raid:
    """One attack under way. `attacked` are the moments at which victims were last attacked, shared by all raids."""

    def __init__(self, world: World, random: Random, label: Label, attacked: dict[int, float]) -> None:
        self.world = world
        self.random = random
        self.label = label
        self._attacked = attacked

    @property
    def strong(self) -> bool:
        """Whether the attacker is in a hurry."""
        return self.label.strength == "strong"

    def acting(self) -> AbstractContextManager[None]:
        """What is written within is the attacker's doing."""
        return self.world.ledger.noting(self.label)

    def pick(self, candidates: Iterable[Victim], able: Callable[[Victim], bool] = lambda _: True) -> Victim:
        """A victim that was left alone of late. Raises NoVictim."""
        now = self.world.schedule.now
        free = [each for each in candidates if now - self._attacked.get(id(each), 0.0) > _APART and able(each)]
        if not free:
            raise NoVictim
        victim = self.random.choice(free)
        self.again(victim)
        return victim

    def again(self, victim: Machine | Person | App) -> None:
        """The victim is still under attack."""
        self._attacked[id(victim)] = self.world.schedule.now

    def machine(self, able: Callable[[Machine], bool] = lambda _: True) -> Machine:
        """A machine client at work, that has been for a while. Raises NoVictim."""
        clients = self.world.access.clients

        def works(machine: Machine) -> bool:
            known = machine.client_id in clients and machine.token is not None and bool(machine.hosts)
            return known and machine.kind not in {"sleeper", "ci"} and able(machine)

        victim = self.pick(self.world.machines, works)
        self.label.clients.add(victim.client_id)
        return victim

    def phone(self, able: Callable[[Held], bool] = lambda _: True) -> tuple[Person, App, Held]:
        """Somebody's phone app with a refresh token that is good. Raises NoVictim."""
        apps = {app.client_id: app for app in self.world.apps if app.kind == "mobile"}

        def holds(person: Person) -> list[str]:
            return [name for name, held in person.held.items() if name in apps and _good(held) and able(held)]

        person = self.pick(self.world.people, lambda each: bool(holds(each)))
        app = apps[self.random.choice(holds(person))]
        held = person.held[app.client_id]
        self.label.subjects.add(person.account.subject)
        self.label.clients.add(app.client_id)
        self.label.grants.add(held.token.grant.id)
        return person, app, held

    def rented(self) -> Caller:
        """A rented machine anywhere, with whatever tool."""
        return self._from(self.world.places.hosting().address(self.random.randrange(254)), agents.tool(self.random))

    def nearby(self, country: str | None, agent: str | None) -> Caller:
        """Somebody's home in the victim's country, and software that says the same as the victim's."""
        return self._from(self.world.places.through_a_home(country or "DE"), agent)

    def caller(self, country: str | None, agent: str | None) -> Caller:
        """Where an attacker of this strength comes from."""
        return self.rented() if self.strong else self.nearby(country, agent)

    def browsers(self, number: int, countries: tuple[str, ...]) -> list[Caller]:
        """Many sources that look like browsers: rented machines for who is in a hurry, homes for who is patient."""
        made = []
        for _ in range(number):
            agent = agents.browser(self.random)
            if self.strong:
                made.append(self._from(self.world.places.hosting().address(self.random.randrange(254)), agent))
            else:
                made.append(self.nearby(self.random.choice(countries), agent))
        return made

    def secret(self, machine: Machine) -> str | None:
        """The client's secret, which was stolen."""
        return self.world.access.clients[machine.client_id].secret

    def ask(self, machine: Machine, caller: Caller, scopes: tuple[str, ...], resource: str | None = None) -> None:
        """Ask for a token as the machine client."""
        with self.acting():
            self.world.tokens.client_credentials(machine.client_id, self.secret(machine), scopes, caller, resource)

    def country(self, machine: Machine) -> str | None:
        """Where a machine client is."""
        return machine.networks[0].country

    def host(self, machine: Machine) -> Host:
        """A host of the client that the attacker got into."""
        return self.random.choice(machine.hosts)

    def _from(self, source: str, agent: str | None) -> Caller:
        self.label.sources.add(source)
        return Caller(source, agent)


def _good(held: Held) -> bool:
    return held.refresh is not None and not held.token.grant.revoked

"""A machine client's credentials in a network, or with software, where they never were."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Kept, Keyed, V, moment_of
from consumers.anomalies.newcomers import Habit, Manners, Newcomer
from consumers.anomalies.origins import NO_AGENT, software_of
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import Event, Severity, TokenIssued
from schema.networks import network_of

_QUARTER = 7_776_000.0
_NETWORKS = 4_096
_NEIGHBOURS = 3
_ALL = "machine clients"
_BY_HAND = frozenset({"curl", "Wget", "HTTPie", "PostmanRuntime", "insomnia", "xh", NO_AGENT})


class _Client(msgspec.Struct):
    networks: Habit = msgspec.field(default_factory=Habit)
    software: Habit = msgspec.field(default_factory=Habit)


def _is_proven(fact: Fact) -> bool:
    """Whether a client proved who it is: a machine, or the back end of an application that people sign in to."""
    event = fact.event
    return type(event) is TokenIssued and event.auth_method != "none" and fact.source is not None


class _Newcomers(Keyed[V]):
    """What the two rules share."""

    technique = "T1078.004"
    types: frozenset[type[Event]] = frozenset({TokenIssued})

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds.kept_clients, _QUARTER)
        self._manners = Manners(
            warm=float(thresholds.warm_up),
            soon=float(thresholds.newcomer_soon),
            settle=float(thresholds.newcomer_settle),
            share=thresholds.newcomer_share,
            adopt=float(thresholds.newcomer_adopt),
            wandering=thresholds.wandering,
        )

    def _told(self, name: str, severity: Severity, what: str, newcomer: Newcomer, fact: Fact) -> Signal:
        newcomer.told = True
        times = "once" if newcomer.trail.count == 1 else f"{newcomer.trail.count} times"
        summary = f"The credentials of {name} were used {times} {what}."
        named = newcomer.trail.evidence()
        return self.signal(fact, f"client {name}", severity, summary, client_id=name, **named)


class _House(Kept):
    """Every machine client, the longest unseen first, and of each network some clients that are at home in it."""

    COUNTS: ClassVar[tuple[str, ...]] = ()
    clients: dict[str, _Client] = msgspec.field(default_factory=dict)
    networks: dict[str, list[str]] = msgspec.field(default_factory=dict)

    def client(self, name: str, limit: int) -> _Client:
        """A client, which is seen now; of more than `limit` the longest unseen goes."""
        client = self.clients.pop(name, None) or _Client()
        self.clients[name] = client
        if len(self.clients) > limit:
            del self.clients[next(iter(self.clients))]
        return client

    def at_home(self, network: str, name: str) -> None:
        """A client is at home in a network."""
        clients = self.networks.pop(network, [])
        self.networks[network] = clients if name in clients else [*clients, name][-_NEIGHBOURS:]
        if len(self.networks) > _NETWORKS:
            del self.networks[next(iter(self.networks))]

    def is_shared(self, network: str, name: str) -> bool:
        """Whether another client is at home in a network."""
        return any(one != name for one in self.networks.get(network, ()))


class NewNetwork(_Newcomers[_House]):
    """A network that is new for the client, while those that it always comes from go on.

    At once where the software is new for it as well. A move or a fail-over, where the old ones fall silent, is none;
    nor is a network in which another client is at home, as long as that one has not ever new ones: so all clients are
    one thing here.
    """

    name = "new_network"
    shape = _House

    def keys(self, fact: Fact) -> Iterable[str]:
        """All machine clients."""
        return (_ALL,) if _is_proven(fact) else ()

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Learn the networks and the software; judge those that are new."""
        event, at = fact.event, moment_of(fact.recorded_at)
        house = self.recall(key, at)
        if type(event) is not TokenIssued or fact.source is None:
            return ()
        client, network = house.client(event.client_id, self._kept), network_of(fact.source)
        habit, software = client.networks, software_of(event.user_agent)
        before, stranger = habit.last, software not in client.software.known
        if network not in habit.known and house.is_shared(network, event.client_id):
            habit.knows(network, at)
        told = habit.meet(network, fact, at, self._manners)
        newcomer = habit.pending.get(network)
        if newcomer is None:
            if not habit.wanders(at, self._manners):
                house.at_home(network, event.client_id)
            client.software.meet(software, fact, at, self._manners)
            judged = habit.pending and network not in habit.fresh
            return self._beside(event.client_id, habit, before, fact, at) if judged else ()
        if not told and not stranger:
            return ()
        what = f"from {fact.source}, in a network new for it" + (f", by {software}, new as well" if stranger else "")
        return (self._told(event.client_id, "high" if stranger else "medium", what, newcomer, fact),)

    def acknowledged(self, about: str) -> None:
        """Forget the newcomers of a client that were spoken of."""
        house = self.known(_ALL)
        client = house.clients.get(about.removeprefix("client ")) if house is not None else None
        if client is not None:
            client.networks.begin_anew()

    def _beside(self, name: str, habit: Habit, before: float, fact: Fact, at: float) -> Iterable[Signal]:
        for network in habit.beside(before, at, self._manners):
            newcomer = habit.pending[network]
            what = f"in a network new for it, {network}, while its own go on"
            yield self._told(name, "medium", what, newcomer, fact)


class NewUserAgent(_Newcomers[Habit]):
    """Software that is new for the client, while the one that it always has goes on; at once where people use it."""

    name = "new_user_agent"
    shape = Habit

    def keys(self, fact: Fact) -> Iterable[str]:
        """The client."""
        return (f"client {fact.event.client_id}",) if _is_proven(fact) else ()  # type: ignore[attr-defined]

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Learn the software; judge what is new."""
        event, at = fact.event, moment_of(fact.recorded_at)
        habit = self.recall(key, at)
        if type(event) is not TokenIssued:
            return ()
        software, before, name = software_of(event.user_agent), habit.last, event.client_id
        told = habit.meet(software, fact, at, self._manners)
        newcomer = habit.pending.get(software)
        if newcomer is None:
            return self._beside(name, habit, before, fact, at) if habit.pending else ()
        by_hand = software.partition(" ")[0] in _BY_HAND or software == NO_AGENT
        if not told and not by_hand:
            return ()
        return (self._told(name, "medium", f"from {fact.source} by {software}, which it never was", newcomer, fact),)

    def _beside(self, name: str, habit: Habit, before: float, fact: Fact, at: float) -> Iterable[Signal]:
        for software in habit.beside(before, at, self._manners):
            newcomer = habit.pending[software]
            yield self._told(name, "medium", f"by {software}, new for it, while its own goes on", newcomer, fact)

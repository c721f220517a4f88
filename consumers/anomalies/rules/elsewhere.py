"""A token that is used where the tokens of its client never were."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Distinct, Kept, Keyed, Trail, moment_of
from consumers.anomalies.origins import software_of
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import Event, TokenIssued, TokenSourceObserved
from schema.networks import network_of

_DAY = 86_400.0
_MONTH = 30 * _DAY
_KNOWN = 256
_TOLD = 16
_AN_HOUR = 3_600.0


class _Client(Kept):
    """`public` is whether it runs on people's own devices, which go where people go.

    `novelties` are networks that its tokens were new in, and from which it has not asked for any.
    """

    COUNTS: ClassVar[tuple[str, ...]] = ("told",)
    began: float = 0.0
    public: bool = False
    networks: Distinct = msgspec.field(default_factory=Distinct)
    software: Distinct = msgspec.field(default_factory=Distinct)
    novelties: Distinct = msgspec.field(default_factory=Distinct)
    told: dict[str, Trail] = msgspec.field(default_factory=dict)


class TokenElsewhere(Keyed[_Client]):
    """Where the tokens of a client are used is learned from those issued and those observed.

    A client whose tokens always turn up in the same few networks speaks at a new one; where it asks for tokens in new
    ones too, as after a move, it does not move about. Of one that people have on their
    devices, or that moves about, only software that it was never used with speaks.
    """

    name = "token_elsewhere"
    technique = "T1550.001"
    types: frozenset[type[Event]] = frozenset({TokenIssued, TokenSourceObserved})
    shape = _Client

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds.kept_clients, 3 * _MONTH)
        self._warm = float(thresholds.warm_up)
        self._moving = thresholds.elsewhere_networks

    def keys(self, fact: Fact) -> Iterable[str]:
        """The client that the token was issued to."""
        event = fact.event
        if isinstance(event, (TokenIssued, TokenSourceObserved)):
            return (f"client {event.client_id}",)
        return ()

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Learn, or speak."""
        event, at = fact.event, moment_of(fact.recorded_at)
        client = self.recall(key, at)
        client.began = client.began or at
        if type(event) is TokenIssued:
            client.public = event.auth_method == "none"
            if fact.source:
                network = network_of(fact.source)
                self._learn(client, network, software_of(event.user_agent), at)
                client.novelties.drop(network)
            return ()
        if type(event) is not TokenSourceObserved:
            return ()
        return self._observed(key, client, event, fact, at)

    def _learn(self, client: _Client, network: str, software: str, at: float) -> None:
        if client.networks.seen.get(network, 0.0) < at - _AN_HOUR:
            client.networks.add(network, at, _MONTH, _KNOWN)
        if client.software.seen.get(software, 0.0) < at - _AN_HOUR:
            client.software.add(software, at, _MONTH, _KNOWN)

    def _observed(
        self, key: str, client: _Client, event: TokenSourceObserved, fact: Fact, at: float
    ) -> Iterable[Signal]:
        network, software = network_of(event.source), software_of(event.user_agent)
        if network in client.told:
            return (self._speak(key, client.told[network], event, fact, at),)
        strange = event.user_agent is not None and software not in client.software.seen
        new = network not in client.networks.seen
        warm = at - client.began >= self._warm
        if warm and new and (strange or self._stays(client, at)):
            if len(client.told) >= _TOLD:
                client.told.pop(min(client.told, key=lambda told: client.told[told].last))
            trail = client.told[network] = Trail()
            return (self._speak(key, trail, event, fact, at),)
        self._learn(client, network, software, at)
        if new:
            client.novelties.add(network, at, _MONTH, _TOLD)
        return ()

    def _stays(self, client: _Client, at: float) -> bool:
        if client.public:
            return False
        since = max(at - _MONTH, client.began + _DAY)
        late = [moment for moment in client.novelties.seen.values() if moment > since]
        return len(late) < self._moving

    def _speak(self, key: str, trail: Trail, event: TokenSourceObserved, fact: Fact, at: float) -> Signal:
        trail.add(fact, at, _MONTH, 1, event.source)
        strange = f" by {software_of(event.user_agent)}" if event.user_agent else ""
        of = "A token" if trail.count == 1 else f"{trail.count} tokens"
        summary = f"{of} of {event.client_id} came to an API from {event.source}{strange}, where they never came from."
        return self.signal(
            fact,
            key,
            "medium",
            summary,
            client_id=event.client_id,
            grant_id=event.token_id.rpartition(".")[0],
            **trail.evidence(),
        )

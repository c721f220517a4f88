"""A client that asks for what it never asked for, though it always might have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Kept, Keyed, Trail, moment_of
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import ClientRegistered, ClientSettings, ClientUpdated, Event, TokenIssued

_DAY = 86_400.0
_MONTH = 30 * _DAY
_KNOWN = 256
_PENDING = 16


class _Client(Kept):
    """`asked` are pairs of resource and scopes as they came, `known` the single ones.

    `allowed` is what the settings name, `expected` what a change of them added of late, with when.
    """

    COUNTS: ClassVar[tuple[str, ...]] = ("told",)
    began: float = 0.0
    asked: dict[str, float] = msgspec.field(default_factory=dict)
    known: dict[str, float] = msgspec.field(default_factory=dict)
    allowed: list[str] = msgspec.field(default_factory=list)
    expected: dict[str, float] = msgspec.field(default_factory=dict)
    told: dict[str, Trail] = msgspec.field(default_factory=dict)


class NewScope(Keyed[_Client]):
    """Scopes and resources that an old client never asked for. What it was just allowed is expected."""

    name = "new_scope"
    technique = "T1078.004"
    types: frozenset[type[Event]] = frozenset({TokenIssued, ClientRegistered, ClientUpdated})
    shape = _Client

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds.kept_clients, 12 * _MONTH)
        self._warm = float(thresholds.warm_up)

    def keys(self, fact: Fact) -> Iterable[str]:
        """The client."""
        return (f"client {fact.event.client_id}",)  # type: ignore[attr-defined]

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Learn what a client asks for; speak of what is new."""
        event, at = fact.event, moment_of(fact.recorded_at)
        client = self.recall(key, at)
        if type(event) is TokenIssued:
            pair = f"{event.audience} {event.scope}"
            if pair in client.asked:
                return ()
            return self._asked(key, client, event, pair, fact, at)
        if isinstance(event, ClientSettings):
            self._changed(client, event, at)
        return ()

    def _changed(self, client: _Client, event: ClientSettings, at: float) -> None:
        allowed = {*event.scopes, *event.resources, *(f"role {role}" for role in event.roles)}
        if type(event) is ClientUpdated:
            added = allowed - set(client.allowed)
            client.expected |= dict.fromkeys(sorted(added), at)
            client.expected = dict(sorted(client.expected.items(), key=lambda one: one[1])[-_KNOWN:])
        client.allowed = sorted(allowed)

    def _asked(
        self, key: str, client: _Client, event: TokenIssued, pair: str, fact: Fact, at: float
    ) -> Iterable[Signal]:
        client.began = client.began or at
        if pair in client.told:
            return (self._speak(key, event, client.told[pair], fact, at),)
        new = [what for what in (event.audience, *event.scope.split()) if what not in client.known]
        young = at - client.began < self._warm
        if young or not new or self._is_expected(client, new, at):
            self._learn(client, pair, new, at)
            return ()
        if len(client.told) >= _PENDING:
            for what in (event.audience, *event.scope.split()):
                client.known.setdefault(what, at)
            client.told.pop(min(client.told, key=lambda told: client.told[told].last))
        trail = client.told[pair] = Trail()
        return (self._speak(key, event, trail, fact, at),)

    def _learn(self, client: _Client, pair: str, new: list[str], at: float) -> None:
        client.asked[pair] = at
        client.known.update(dict.fromkeys(new, at))
        for learned in (client.asked, client.known):
            while len(learned) > _KNOWN:
                del learned[min(learned, key=learned.__getitem__)]

    def _is_expected(self, client: _Client, new: list[str], at: float) -> bool:
        late = {what for what, since in client.expected.items() if since > at - _MONTH}
        return any(what.startswith("role ") for what in late) or late.issuperset(new)

    def _speak(self, key: str, event: TokenIssued, trail: Trail, fact: Fact, at: float) -> Signal:
        trail.add(fact, at, _MONTH, 1)
        for_what = f"{event.scope} at {event.audience}"
        summary = f"{event.client_id} asked for {for_what}, as it never did before."
        return self.signal(fact, key, "medium", summary, client_id=event.client_id, **trail.evidence())

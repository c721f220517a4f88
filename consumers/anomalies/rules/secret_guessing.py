"""Somebody who tries secrets, or keys, of clients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Distinct, Kept, Keyed, Trail, lasting, moment_of
from consumers.anomalies.origins import site_of
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import AccessRejected, Event, Severity, TokenIssued
from schema.networks import network_of

_WEEK = 604_800.0
_MONTH = 2_592_000.0
_NETWORKS = 64
_SOURCE = "source "
WRONG = frozenset({"bad_secret", "bad_assertion_signature", "assertion_issuer_or_subject", "malformed_assertion"})


class _Target(Kept):
    COUNTS: ClassVar[tuple[str, ...]] = ("trail", "own", "clients")
    trail: Trail = msgspec.field(default_factory=Trail)
    own: Trail = msgspec.field(default_factory=Trail)
    clients: Distinct = msgspec.field(default_factory=Distinct)
    networks: Distinct = msgspec.field(default_factory=Distinct)


class _Sources(Keyed[_Target]):
    """Places are made up more easily than clients: they have a bound of their own, and drive no client out."""

    shape = _Target


class ClientSecretGuessing(Keyed[_Target]):
    """Wrong secrets of a client, or of several from one place, within minutes.

    From a network where the client is at home a wrong secret is most often one that was rotated: it takes many more.
    """

    name = "client_secret_guessing"
    technique = "T1110.001"
    types: frozenset[type[Event]] = frozenset({AccessRejected, TokenIssued})
    shape = _Target

    def __init__(self, thresholds: Thresholds) -> None:
        half = thresholds.kept_keys // 2
        super().__init__(thresholds.kept_keys - half, _MONTH)
        self._sources = _Sources(half, _MONTH)
        self._span = _MONTH
        self._window = float(thresholds.guessing_window)
        self._foreign = thresholds.secret_guesses
        self._at_home = thresholds.secret_guesses_at_home
        self._clients = thresholds.secret_guess_clients

    def keys(self, fact: Fact) -> Iterable[str]:
        """The client, and where its secret is wrong the place too."""
        event = fact.event
        if type(event) is TokenIssued:
            return (f"client {event.client_id}",) if event.auth_method != "none" else ()
        if type(event) is not AccessRejected or event.reason not in WRONG or event.client_id is None:
            return ()
        if fact.source is None:
            return (f"client {event.client_id}",)
        return (f"client {event.client_id}", f"{_SOURCE}{site_of(fact.source)}")

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Learn where a client is at home; count what is wrong."""
        event, at = fact.event, moment_of(fact.recorded_at)
        kept = (self._sources if key.startswith(_SOURCE) else self).recall(key, at)
        if type(event) is TokenIssued:
            if fact.source:
                kept.networks.add(network_of(fact.source), at, _MONTH, _NETWORKS)
            return ()
        if type(event) is not AccessRejected or event.client_id is None:
            return ()
        if key.startswith(_SOURCE):
            return self._of_source(key, kept, fact, at, event.client_id)
        return self._of_client(key, kept, fact, at, event.client_id)

    def acknowledged(self, about: str) -> None:
        """Count anew what a finding was about."""
        super().acknowledged(about)
        self._sources.acknowledged(about)

    def state(self) -> Any:
        """Clients, then sources."""
        return super().state() + self._sources.state()

    def restore(self, state: Any) -> None:
        """Take up what `state` gave. Raises msgspec.ValidationError."""
        super().restore(state)
        sources = [key for key in self._values if key.startswith(_SOURCE)]
        self._sources.restore([(key, self._values.pop(key)) for key in sources])

    def forget(self, now: float) -> None:
        """Drop the clients and sources for which nothing came for long."""
        super().forget(now)
        self._sources.forget(now)

    def _of_client(self, key: str, kept: _Target, fact: Fact, at: float, client: str) -> Iterable[Signal]:
        at_home = bool(fact.source) and network_of(fact.source or "") in kept.networks.seen
        trail, needed = (kept.own, self._at_home) if at_home else (kept.trail, self._foreign)
        trail.add(fact, at, self._window, needed)
        if not trail.reached(needed, at, self._window):
            return ()
        severity: Severity = "low" if at_home else "high" if trail.count >= 4 * needed else "medium"
        summary = f"The secret of {client} was guessed {self._how_often(trail, at)}."
        return (self.signal(fact, key, severity, summary, client_id=client, **trail.evidence()),)

    def _of_source(self, key: str, kept: _Target, fact: Fact, at: float, client: str) -> Iterable[Signal]:
        kept.trail.add(fact, at, self._window, self._foreign)
        clients = kept.clients.add(client, at, self._window, self._clients)
        if clients < self._clients:
            return ()
        how = self._how_often(kept.trail, at)
        summary = f"Secrets of {clients} clients and more were guessed, {how}."
        return (self.signal(fact, key, "high", summary, **kept.trail.evidence()),)

    def _how_often(self, trail: Trail, at: float) -> str:
        where = trail.sources[0] if len(trail.sources) == 1 else f"{len(trail.sources)} addresses"
        return f"{trail.count} times in {lasting(max(at - trail.began, 1))} from {where}"

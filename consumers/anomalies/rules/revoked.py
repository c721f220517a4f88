"""A token that is still used long after it was revoked: somebody holds it who was not told, or does not care."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Kept, Keyed, Trail, grant_key, lasting, moment_of
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import AccessRejected, Event, GrantRevoked, Severity, TokenIssued, TokenRefreshed, TokenRevoked
from schema.networks import network_of

_DAY = 86_400.0
_MONTH = 2_592_000.0
_NETWORKS = 8
_STRANGE = 2
_REVOKED = "token_revoked"
_REASONS = frozenset({_REVOKED, "grant_revoked"})
_FROM_HOLDER = frozenset({"token", "userinfo", "revoke"})
"""Endpoints that the holder of the token asks; introspection is asked by an API."""


class _Grant(Kept):
    COUNTS: ClassVar[tuple[str, ...]] = ("trail", "strange")
    revoked_at: float = 0.0
    networks: list[str] = msgspec.field(default_factory=list)
    trail: Trail = msgspec.field(default_factory=Trail)
    strange: Trail = msgspec.field(default_factory=Trail)


class UseAfterRevocation(Keyed[_Grant]):
    """Uses of a revoked grant after a grace, many of them or from a network where the grant was never used.

    Within the grace clients find out. What comes from the networks of the grant takes many uses.
    """

    name = "use_after_revocation"
    technique = "T1550.001"
    types: frozenset[type[Event]] = frozenset({TokenIssued, TokenRefreshed, GrantRevoked, TokenRevoked, AccessRejected})
    shape = _Grant

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds.kept_keys, _MONTH)
        self._grace = float(thresholds.revoked_grace)
        self._uses = thresholds.revoked_uses

    def keys(self, fact: Fact) -> Iterable[str]:
        """The grant; of those of a machine only that they are revoked."""
        event = fact.event
        if type(event) is TokenIssued:
            return (grant_key(fact.stream),) if event.refresh_digest else ()
        if type(event) is not AccessRejected:
            return (grant_key(fact.stream),)
        if event.token_id and (event.reason in _REASONS or event.detail == _REVOKED):
            return (f"grant {event.token_id.rpartition('.')[0]}",)
        return ()

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Learn where a grant is used and when it ended; count the uses after."""
        event, at = fact.event, moment_of(fact.recorded_at)
        grant = self.recall(key, at)
        if type(event) is AccessRejected:
            return self._used(key, grant, event, fact, at)
        if type(event) is GrantRevoked or type(event) is TokenRevoked:
            grant.revoked_at = grant.revoked_at or at
        elif fact.source and (network := network_of(fact.source)) not in grant.networks:
            grant.networks = [*grant.networks[1 - _NETWORKS :], network]
        return ()

    def _used(self, key: str, grant: _Grant, event: AccessRejected, fact: Fact, at: float) -> Iterable[Signal]:
        grant.revoked_at = grant.revoked_at or at
        if event.endpoint in _FROM_HOLDER and self._is_strange(grant, fact):
            grant.strange.add(fact, at, _DAY, self._uses)
            if grant.strange.count >= _STRANGE and at - grant.revoked_at > self._grace:
                return (self._speak(key, grant, grant.strange, "high", " from where it was never used", fact),)
            return ()
        if at - grant.revoked_at <= self._grace:
            return ()
        grant.trail.add(fact, at, _DAY, self._uses)
        if grant.trail.count < self._uses:
            return ()
        return (self._speak(key, grant, grant.trail, "medium", "", fact),)

    def _is_strange(self, grant: _Grant, fact: Fact) -> bool:
        return bool(grant.networks) and fact.source is not None and network_of(fact.source) not in grant.networks

    def _speak(self, key: str, grant: _Grant, trail: Trail, severity: Severity, where: str, fact: Fact) -> Signal:
        event = fact.event
        client = event.client_id if isinstance(event, AccessRejected) and event.endpoint == "token" else None
        since = lasting(max(trail.last - grant.revoked_at, 1))
        times = "once" if trail.count == 1 else f"{trail.count} times"
        summary = f"A revoked grant{f' of {client}' if client else ''} was used {times}{where}, {since} after its end."
        grant_id = key.removeprefix("grant ")
        return self.signal(fact, key, severity, summary, client_id=client, grant_id=grant_id, **trail.evidence())

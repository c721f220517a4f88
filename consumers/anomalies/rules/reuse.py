"""A code or refresh token that came a second time: there is a copy of it (RFC 9700 section 4.14)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Kept, Keyed, Trail, moment_of
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import Event, TokenReuseDetected

_DAY = 86_400.0
_KEPT = 20
_WORDS = {
    "authorization_code": "An authorization code",
    "refresh_token": "A refresh token",
    "device_code": "A device code",
}


class _Grant(Kept):
    trail: Trail = msgspec.field(default_factory=Trail)


class RefreshTokenReuse(Keyed[_Grant]):
    """Speaks each time the service detects reuse."""

    name = "refresh_token_reuse"
    technique = "T1528"
    types: frozenset[type[Event]] = frozenset({TokenReuseDetected})
    shape = _Grant

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds.kept_keys, _DAY)

    def keys(self, fact: Fact) -> Iterable[str]:
        """The grant."""
        return (f"grant {fact.stream}",)

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Every reuse speaks."""
        event = fact.event
        if not isinstance(event, TokenReuseDetected):
            return ()
        at = moment_of(fact.recorded_at)
        trail = self.recall(key, at).trail
        trail.add(fact, at, _DAY, _KEPT)
        again = "a second time" if trail.count == 1 else f"{trail.count + 1} times"
        where = f" from {fact.source}" if fact.source else ""
        summary = f"{_WORDS[event.kind]} of {event.client_id} was used {again}{where}: there is a copy of it."
        grant_id = str(fact.stream)
        named = trail.evidence()
        return (self.signal(fact, key, "high", summary, client_id=event.client_id, grant_id=grant_id, **named),)

"""A code or refresh token that came a second time: there may be a copy of it (RFC 9700 section 4.14)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Kept, Keyed, Trail, grant_key, moment_of
from consumers.anomalies.origins import software_of
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import Event, TokenIssued, TokenRefreshed, TokenReuseDetected
from schema.networks import network_of

_DAY = 86_400.0
_MONTH = 30 * _DAY
_KEPT = 20
_HOMES = 16
_WORDS = {
    "authorization_code": "An authorization code",
    "refresh_token": "A refresh token",
    "device_code": "A device code",
}


class _Grant(Kept):
    """`homes` are networks and software that hold the token, each with since when; `network` and `software` the last.

    Where a grant began it is at home from the first moment.
    """

    homes: dict[str, float] = msgspec.field(default_factory=dict)
    network: str = ""
    software: str = ""
    trail: Trail = msgspec.field(default_factory=Trail)

    def held(self, network: str, software: str, at: float) -> None:
        """The token was used rightly."""
        self.network, self.software = network, software
        since = at if self.homes else 0.0
        for home in (network, software):
            if home not in self.homes:
                self.homes[home] = since
        while len(self.homes) > _HOMES:
            del self.homes[max(self.homes, key=self.homes.__getitem__)]

    def is_home(self, network: str, software: str, at: float, settled: float) -> bool:
        """Whether both held the token for long."""
        return all(self.homes.get(home, at) <= at - settled for home in (network, software))


class RefreshTokenReuse(Keyed[_Grant]):
    """Speaks when the service detects reuse, except where it tells of one holder alone.

    A phone that never got the answer to a refresh comes hours later with the old token; the service cannot tell it
    from a thief and ends the grant. If whoever rotated the token last and whoever comes with the old one are both where
    the token has been at home for days, with the software that it always had, nobody else is in sight.
    """

    name = "refresh_token_reuse"
    technique = "T1528"
    types: frozenset[type[Event]] = frozenset({TokenReuseDetected, TokenIssued, TokenRefreshed})
    shape = _Grant

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds.kept_keys, _MONTH)
        self._settled = float(thresholds.reuse_settled)

    def keys(self, fact: Fact) -> Iterable[str]:
        """The grant, where it has a refresh token."""
        event = fact.event
        if type(event) is TokenIssued and not event.refresh_digest:
            return ()
        return (grant_key(fact.stream),)

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Learn who holds the token; judge a reuse."""
        event, at = fact.event, moment_of(fact.recorded_at)
        grant = self.recall(key, at)
        if isinstance(event, (TokenIssued, TokenRefreshed)):
            grant.held(network_of(fact.source or ""), software_of(event.user_agent), at)
            return ()
        if not isinstance(event, TokenReuseDetected) or self._is_owner(grant, event, fact, at):
            return ()
        return (self._speak(key, grant.trail, event, fact, at),)

    def _is_owner(self, grant: _Grant, event: TokenReuseDetected, fact: Fact, at: float) -> bool:
        if event.kind != "refresh_token" or not fact.source:
            return False
        here = grant.is_home(network_of(fact.source), software_of(event.user_agent), at, self._settled)
        return here and grant.is_home(grant.network, grant.software, at, self._settled)

    def _speak(self, key: str, trail: Trail, event: TokenReuseDetected, fact: Fact, at: float) -> Signal:
        trail.add(fact, at, _DAY, _KEPT)
        again = "a second time" if trail.count == 1 else f"{trail.count + 1} times"
        where = f" from {fact.source}" if fact.source else ""
        summary = f"{_WORDS[event.kind]} of {event.client_id} was used {again}{where}: there is a copy of it."
        named = trail.evidence() | {"client_id": event.client_id, "grant_id": str(fact.stream)}
        return self.signal(fact, key, "high", summary, **named)

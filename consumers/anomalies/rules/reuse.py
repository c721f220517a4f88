"""A code or refresh token that came a second time: there may be a copy of it (RFC 9700 section 4.14)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Kept, Keyed, Trail, grant_key, moment_of
from consumers.anomalies.origins import software_of
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import AccessRejected, Event, TokenIssued, TokenRefreshed, TokenReuseDetected
from schema.networks import network_of

_MONTH = 2_592_000.0
_KEPT = 20
_HOMES = 8
_ENDED = frozenset({"grant_revoked", "token_revoked"})
_WORDS = {
    "authorization_code": "An authorization code",
    "refresh_token": "A refresh token",
    "device_code": "A device code",
}


class _Grant(Kept):
    """`homes` is the software that holds the token, each with since when; `software` the last, `number` the newest
    access token. `doubt` is the network that an old token came from, by `client`, while it may have been its holder's.

    Where a grant began it is at home from the first moment.
    """

    COUNTS: ClassVar[tuple[str, ...]] = ("trail", "doubt")
    homes: dict[str, float] = msgspec.field(default_factory=dict)
    software: str = ""
    number: int = 0
    doubt: str = ""
    client: str = ""
    trail: Trail = msgspec.field(default_factory=Trail)

    def held(self, software: str, number: int, at: float) -> None:
        """The token was used rightly."""
        self.software, self.number = software, number
        if software not in self.homes:
            self.homes[software] = at if self.homes else 0.0
            if len(self.homes) > _HOMES:
                del self.homes[max(self.homes, key=self.homes.__getitem__)]

    def is_home(self, software: str, at: float, settled: float) -> bool:
        """Whether it held the token for long."""
        return self.homes.get(software, at) <= at - settled


class RefreshTokenReuse(Keyed[_Grant]):
    """Speaks when the service detects reuse, except where it tells of one holder alone.

    A phone that never got the answer to a refresh comes hours later with the old token; the service cannot tell it
    from a thief and ends the grant. Other software than the token always had speaks at once. Where whoever rotated it
    last and whoever comes with the old one look the same, nobody else may be in sight: a phone that got no answer has
    nothing newer, asks its person to sign in, and is not heard of again. If there is a copy, the other hand comes with
    what it has, and finds that the grant has ended; that speaks. It is another hand if it refreshes from another
    network, or shows the newest access token, whose answer was not lost then.
    """

    name = "refresh_token_reuse"
    technique = "T1528"
    types: frozenset[type[Event]] = frozenset({TokenReuseDetected, TokenIssued, TokenRefreshed, AccessRejected})
    shape = _Grant

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds.kept_keys, _MONTH)
        self._settled = float(thresholds.reuse_settled)

    def keys(self, fact: Fact) -> Iterable[str]:
        """The grant, where it has a refresh token."""
        event = fact.event
        if type(event) is AccessRejected:
            if event.reason not in _ENDED or not event.token_id:
                return ()
            return (f"grant {event.token_id.rpartition('.')[0]}",)
        if type(event) is TokenIssued and not event.refresh_digest:
            return ()
        return (grant_key(fact.stream),)

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Learn who holds the token; judge a reuse, or the other hand after it."""
        event, at = fact.event, moment_of(fact.recorded_at)
        if isinstance(event, AccessRejected):
            known = self.known(key)
            return self._after(key, known, event, fact, at) if known is not None and known.doubt else ()
        grant = self.recall(key, at)
        if isinstance(event, (TokenIssued, TokenRefreshed)):
            grant.held(software_of(event.user_agent), event.number, at)
        elif isinstance(event, TokenReuseDetected):
            grant.trail.add(fact, at, _MONTH, _KEPT)
            if not self._may_be_owner(grant, event, fact, at):
                return (self._speak(key, grant.trail, event, fact),)
            grant.doubt, grant.client = network_of(fact.source or ""), event.client_id
        return ()

    def _may_be_owner(self, grant: _Grant, event: TokenReuseDetected, fact: Fact, at: float) -> bool:
        if event.kind != "refresh_token" or not fact.source:
            return False
        here, last = software_of(event.user_agent), grant.software
        return here == last and grant.is_home(here, at, self._settled)

    def _after(self, key: str, grant: _Grant, event: AccessRejected, fact: Fact, at: float) -> Iterable[Signal]:
        """Somebody comes with a token of the grant that ended for the reuse."""
        newest = event.token_id == f"{key.removeprefix('grant ')}.{grant.number}"
        moved = event.endpoint == "token" and fact.source is not None and network_of(fact.source) != grant.doubt
        if not (newest or moved):
            return ()
        grant = self.recall(key, at)
        grant.trail.add(fact, at, _MONTH, _KEPT)
        twice = f"A refresh token of {grant.client} was used a second time, and somebody else came after that"
        return (self._about(key, grant.trail, grant.client, f"{twice}: there is a copy of it.", fact),)

    def _speak(self, key: str, trail: Trail, event: TokenReuseDetected, fact: Fact) -> Signal:
        again = "a second time" if trail.count == 1 else f"{trail.count + 1} times"
        where = f" from {fact.source}" if fact.source else ""
        summary = f"{_WORDS[event.kind]} of {event.client_id} was used {again}{where}: there is a copy of it."
        return self._about(key, trail, event.client_id, summary, fact)

    def _about(self, key: str, trail: Trail, client: str, summary: str, fact: Fact) -> Signal:
        named = trail.evidence() | {"client_id": client, "grant_id": key.removeprefix("grant ")}
        return self.signal(fact, key, "high", summary, **named)

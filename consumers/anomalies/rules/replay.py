"""A refresh token that two hands hold, though neither has used an old one yet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Distinct, Kept, Keyed, Trail, grant_key, moment_of
from consumers.anomalies.origins import software_of
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import AccessRejected, Event, Severity, TokenIssued, TokenRefreshed
from schema.networks import network_of

_DAY = 86_400.0
_MONTH = 2_592_000.0
_NETWORKS = 64
_OTHER_CLIENT = "refresh_token_of_other_client"
_STALE = frozenset({"refresh_token_expired", "refresh_token_idle", _OTHER_CLIENT})


class _Grant(Kept):
    """Of a grant; of a person only `known` are used, the networks that they get tokens in, and `began`."""

    COUNTS: ClassVar[tuple[str, ...]] = ("retries", "strange")
    began: float = 0.0
    known: Distinct = msgspec.field(default_factory=Distinct)
    network: str = ""
    software: str = ""
    retries: Trail = msgspec.field(default_factory=Trail)
    strange: Trail = msgspec.field(default_factory=Trail)


class RefreshTokenReplay(Keyed[_Grant]):
    """A rotation that is repeated from another network by other software, or more often than answers get lost.

    A repeat from a network that is new for the person speaks whatever the software says that it is. A refresh token
    that another client presents speaks at once; one that is too old, when it comes again and again.
    """

    name = "refresh_token_replay"
    technique = "T1550.001"
    types: frozenset[type[Event]] = frozenset({TokenIssued, TokenRefreshed, AccessRejected})
    shape = _Grant

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds.kept_keys, _MONTH)
        self._replays = thresholds.replays
        self._warm = float(thresholds.warm_up)

    def keys(self, fact: Fact) -> Iterable[str]:
        """The grant, where it has a refresh token, and its person where they hold it themselves."""
        event = fact.event
        if isinstance(event, (TokenIssued, TokenRefreshed)):
            if not event.refresh_digest and type(event) is TokenIssued:
                return ()
            grant = grant_key(fact.stream)
            return (grant,) if event.auth_method != "none" else (grant, f"subject {event.subject}")
        if type(event) is AccessRejected and event.reason in _STALE and event.token_id:
            return (f"grant {event.token_id.rpartition('.')[0]}",)
        return ()

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Learn who holds the token; count what is odd."""
        event, at = fact.event, moment_of(fact.recorded_at)
        grant = self.recall(key, at)
        if key.startswith("subject ") and isinstance(event, (TokenIssued, TokenRefreshed)):
            return self._of_person(grant, event, fact, at)
        if type(event) is AccessRejected:
            return self._rejected(key, grant, event, fact, at)
        if type(event) is TokenRefreshed and event.retry:
            return self._retried(key, grant, event, fact, at)
        if isinstance(event, (TokenIssued, TokenRefreshed)):
            grant.network, grant.software = network_of(fact.source or ""), software_of(event.user_agent)
        return ()

    def _of_person(
        self, person: _Grant, event: TokenIssued | TokenRefreshed, fact: Fact, at: float
    ) -> Iterable[Signal]:
        person.began = person.began or at
        network = network_of(fact.source or "")
        retried = type(event) is TokenRefreshed and event.retry
        if not retried or network in person.known.seen:
            person.known.add(network, at, _MONTH, _NETWORKS)
            return ()
        if at - person.began < self._warm:
            return ()
        strange = Trail()
        strange.add(fact, at, _DAY, 1)
        about, how = f"grant {fact.stream}", f"was repeated at {fact.source}, in a network new for its person"
        return (self._speak(about, "medium", event.client_id, how, strange, fact),)

    def _retried(self, key: str, grant: _Grant, event: TokenRefreshed, fact: Fact, at: float) -> Iterable[Signal]:
        grant.retries.add(fact, at, _DAY, self._replays)
        other = bool(grant.network) and network_of(fact.source or "") != grant.network
        if other and software_of(event.user_agent) != grant.software:
            where = f" at {fact.source}"
            how = f"was repeated by other software in another network{where}"
            return (self._speak(key, "high", event.client_id, how, grant.retries, fact),)
        if grant.retries.reached(self._replays, at, _DAY):
            how = f"was repeated {grant.retries.count} times within a day"
            return (self._speak(key, "medium", event.client_id, how, grant.retries, fact),)
        return ()

    def _rejected(self, key: str, grant: _Grant, event: AccessRejected, fact: Fact, at: float) -> Iterable[Signal]:
        grant.strange.add(fact, at, _DAY, self._replays)
        client = event.client_id or "an unknown client"
        if event.reason == _OTHER_CLIENT:
            how = f"was presented by {client}, to which it was not issued"
            return (self._speak(key, "high", event.client_id, how, grant.strange, fact),)
        if grant.strange.reached(self._replays, at, _DAY):
            how = f"of {client} that is too old was presented {grant.strange.count} times"
            return (self._speak(key, "low", event.client_id, how, grant.strange, fact),)
        return ()

    def _speak(self, key: str, severity: Severity, client: str | None, how: str, trail: Trail, fact: Fact) -> Signal:
        grant_id = key.removeprefix("grant ")
        whose = "A refresh token" if how.startswith(("of ", "was presented")) else f"A refresh of {client}"
        named = trail.evidence()
        return self.signal(fact, key, severity, f"{whose} {how}.", client_id=client, grant_id=grant_id, **named)

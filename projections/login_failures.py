"""Sign-ins that failed of late, by account and by source address, in memory, bounded even while somebody attacks.

Each worker folds them of all workers, so that an attacker gains nothing by going from one to the other.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from projections.recent_times import RecentTimes
from schema import events
from schema.envelope import Fact

_CANNOT_BE_GUESSED = "passkey"
_SITE = 64
"""The bits of an IPv6 address that tell one site from another: who has one address has all 2^64 of its network."""


class LoginFailures:
    """When sign-ins failed, in seconds: the latest `kept` of each account, of each unknown name and of each source.

    Of each of the three kinds, at most `limit` are held, those that failed most recently. Names that are nobody's are
    held apart, so that making them up pushes no account out. A passkey cannot be guessed, so one that fails counts for
    nothing.
    """

    def __init__(self, kept: int = 50, limit: int = 100_000) -> None:
        self._accounts = RecentTimes(kept, limit)
        self._names = RecentTimes(kept, limit)
        self._sources = RecentTimes(kept, limit)

    def of_account(self, key: str) -> tuple[float, ...]:
        """Those of an account, by its subject, or of a name that is nobody's, by its digest; oldest first."""
        return self._accounts.of(key) or self._names.of(key)

    def of_source(self, source: str | None) -> tuple[float, ...]:
        """Those that came from a source address, or the network that it is one of; oldest first."""
        return self._sources.of(network_of(source)) if source else ()

    def apply(self, fact: Fact) -> None:
        """Fold one event, in whatever order."""
        event = fact.event
        if not isinstance(event, events.LoginFailed) or event.method == _CANNOT_BE_GUESSED:
            return
        moment = fact.recorded_at.timestamp()
        if event.subject:
            self._accounts.add(event.subject, moment)
        elif event.name_digest:
            self._names.add(event.name_digest, moment)
        if fact.source:
            self._sources.add(network_of(fact.source), moment)


@lru_cache(maxsize=65_536)
def network_of(source: str) -> str:
    """What counts as one source: an IPv4 address, or the /64 network of an IPv6 one (RFC 4291 section 2.5.1)."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if isinstance(address, ipaddress.IPv4Address):
        return source
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), _SITE), strict=False))

"""Few wrong passwords for each of many accounts, from one place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Distinct, Kept, Keyed, Trail, lasting, moment_of
from consumers.anomalies.origins import site_of
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import Event, LoginFailed, SessionStarted, Severity
from schema.networks import network_of

_GOOD = 256
_SPREAD = 3


class Sprayed(Kept):
    """Accounts that failed from a place and did not sign in there since, and those that did sign in."""

    COUNTS: ClassVar[tuple[str, ...]] = ("failed", "sites", "trail")
    failed: Distinct = msgspec.field(default_factory=Distinct)
    good: Distinct = msgspec.field(default_factory=Distinct)
    sites: Distinct = msgspec.field(default_factory=Distinct)
    trail: Trail = msgspec.field(default_factory=Trail)


def account_of(event: LoginFailed) -> str | None:
    """What a sign-in was tried for: a subject, or the digest of a name that is nobody's."""
    return event.subject or event.name_digest


class PasswordSpray(Keyed[Sprayed]):
    """Accounts that fail without success, beyond a share of those that succeed at the same place.

    Behind an office or a phone company are many who mistype, and many more who do not. A network speaks where the
    attempts are spread over its addresses.
    """

    name = "password_spray"
    technique = "T1110.003"
    types: frozenset[type[Event]] = frozenset({LoginFailed, SessionStarted})
    shape = Sprayed

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds.kept_keys, float(thresholds.sign_in_window))
        self._window = float(thresholds.sign_in_window)
        self._accounts = thresholds.spray_accounts
        self._share = thresholds.spray_share

    def keys(self, fact: Fact) -> Iterable[str]:
        """The address, and its network."""
        event = fact.event
        if fact.source is None or (type(event) is LoginFailed and event.method == "passkey"):
            return ()
        site, network = site_of(fact.source), network_of(fact.source)
        return (f"source {site}",) if site == network else (f"source {site}", f"network {network}")

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Count different accounts."""
        event, at = fact.event, moment_of(fact.recorded_at)
        place = self.recall(key, at)
        if type(event) is SessionStarted:
            place.failed.drop(event.subject)
            place.good.add(event.subject, at, self._window, _GOOD)
            return ()
        if type(event) is not LoginFailed or (account := account_of(event)) is None:
            return ()
        if account in place.good.seen:
            return ()
        failed = place.failed.add(account, at, self._window, 4 * self._accounts)
        sites = place.sites.add(fact.source or "", at, self._window, 8)
        place.trail.add(fact, at, self._window, 1)
        if failed < self._accounts or (key.startswith("network ") and sites < _SPREAD):
            return ()
        place.good.trim(at - self._window, _GOOD)
        if failed < self._share * len(place.good.seen):
            return ()
        return (self._speak(key, place, failed, fact, at),)

    def _speak(self, key: str, place: Sprayed, failed: int, fact: Fact, at: float) -> Signal:
        severity: Severity = "high" if failed >= 2 * self._accounts else "medium"
        where, over = key.partition(" ")[2], lasting(max(at - place.trail.began, 1))
        many = f"{failed} accounts and more" if failed == 4 * self._accounts else f"{failed} accounts"
        summary = f"Passwords of {many} were tried from {where}, {place.trail.count} attempts in {over}, all in vain."
        return self.signal(fact, key, severity, summary, **place.trail.evidence())

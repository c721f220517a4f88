"""Guesses that stay under every limit by the minute, and add up over days."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Distinct, Kept, Keyed, Trail, lasting, moment_of
from consumers.anomalies.origins import site_of, some
from consumers.anomalies.rules.password_spray import account_of
from consumers.anomalies.rules.secret_guessing import WRONG
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import AccessRejected, Event, LoginFailed, SessionRenewed, SessionStarted, TokenIssued
from schema.networks import network_of

_QUARTER = 7_776_000.0
_NETWORKS = 32
_GOOD = 128
_AN_HOUR = 3_600.0


class _Target(Kept):
    """`home` are networks of success, of an account or a client; at an address, `good` are those who succeed there."""

    COUNTS: ClassVar[tuple[str, ...]] = ("failed", "trail")
    home: Distinct = msgspec.field(default_factory=Distinct)
    good: Distinct = msgspec.field(default_factory=Distinct)
    failed: Distinct = msgspec.field(default_factory=Distinct)
    trail: Trail = msgspec.field(default_factory=Trail)


class SlowGuessing(Keyed[_Target]):
    """Failures of an account or a client from networks where it never succeeded, and those that an address adds up.

    Many within one hour and network are one: what is fast is other rules'.
    """

    name = "slow_guessing"
    technique = "T1110.001"
    types: frozenset[type[Event]] = frozenset(
        {LoginFailed, SessionStarted, SessionRenewed, AccessRejected, TokenIssued}
    )
    shape = _Target

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds.kept_keys, _QUARTER)
        self._window = float(thresholds.long_window)
        self._guesses = thresholds.slow_guesses
        self._accounts = thresholds.slow_accounts
        self._slow = float(thresholds.slow_span)
        self._share = thresholds.spray_share

    def keys(self, fact: Fact) -> Iterable[str]:
        """The account or client, and the address that a sign-in or guess comes from."""
        event, source = fact.event, fact.source
        if source is None:
            return ()
        if type(event) is TokenIssued:
            return (f"client {event.client_id}",) if event.auth_method != "none" else ()
        if type(event) is AccessRejected:
            guess = event.reason in WRONG and event.client_id is not None
            return (f"client {event.client_id}", f"source {site_of(source)}") if guess else ()
        if type(event) is LoginFailed and (event.subject is None or event.method == "passkey"):
            return () if event.method == "passkey" else (f"source {site_of(source)}",)
        return (f"subject {event.subject}", f"source {site_of(source)}")  # type: ignore[attr-defined]

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Learn from what succeeds; add up what fails."""
        event, at = fact.event, moment_of(fact.recorded_at)
        target, network = self.recall(key, at), network_of(fact.source or "")
        if type(event) is TokenIssued:
            if target.home.seen.get(network, 0.0) < at - _AN_HOUR:
                self._succeeded(key, target, event.subject, network, at)
            return ()
        if type(event) is SessionStarted or type(event) is SessionRenewed:
            self._succeeded(key, target, event.subject, network, at)
            return ()
        if key.startswith("source "):
            return self._at_source(key, target, fact, at)
        if network in target.home.seen:
            return ()
        target.failed.add(f"{network} {int(at // _AN_HOUR)}", at, self._window, self._guesses)
        target.trail.add(fact, at, self._window, self._guesses)
        return self._judge(key, target, fact, at)

    def _succeeded(self, key: str, target: _Target, who: str, network: str, at: float) -> None:
        if key.startswith("source "):
            target.good.add(who, at, self._window, _GOOD)
            target.failed.drop(who)
        else:
            target.home.add(network, at, _QUARTER, _NETWORKS)
            if target.failed.seen:
                for guess in [guess for guess in target.failed.seen if guess.startswith(f"{network} ")]:
                    target.failed.drop(guess)

    def _at_source(self, key: str, target: _Target, fact: Fact, at: float) -> Iterable[Signal]:
        event = fact.event
        who = account_of(event) if isinstance(event, LoginFailed) else getattr(event, "client_id", None)
        if who is None or who in target.good.seen:
            return ()
        target.failed.add(who, at, self._window, 2 * self._guesses)
        target.trail.add(fact, at, self._window, self._guesses)
        if len(target.failed.seen) < self._share * len(target.good.seen):
            return ()
        return self._judge(key, target, fact, at)

    def _judge(self, key: str, target: _Target, fact: Fact, at: float) -> Iterable[Signal]:
        trail, guesses = target.trail, len(target.failed.seen)
        if guesses < (self._accounts if key.startswith("source ") else self._guesses) or at - trail.began < self._slow:
            return ()
        over, kind, name = lasting(at - trail.began), *key.split(" ", 1)
        if kind == "source":
            summary = f"{guesses} accounts or clients and more were guessed at from {name} over {over}, in vain."
            return (self.signal(fact, key, "medium", summary, **trail.evidence()),)
        whose = f"the secret of {name}" if kind == "client" else "the password of one account"
        where = some(trail.sources, "addresses")
        summary = f"Over {over}, {whose} was guessed {trail.count} times from {where}."
        named = {"client_id": name} if kind == "client" else {"subject": name}
        return (self.signal(fact, key, "medium", summary[0].upper() + summary[1:], **named, **trail.evidence()),)

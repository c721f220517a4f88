"""Many wrong passwords or codes of one account, from where its person never signed in."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from consumers.anomalies.contract import Signal
from consumers.anomalies.memory import Distinct, Kept, Keyed, Trail, lasting, moment_of
from consumers.anomalies.origins import some
from consumers.anomalies.thresholds import Thresholds
from schema.envelope import Fact
from schema.events import (
    AccessRejected,
    AccountPasswordSet,
    Event,
    LoginFailed,
    SessionRenewed,
    SessionStarted,
    Severity,
)
from schema.networks import network_of

_QUARTER = 7_776_000.0
_DAY = 86_400.0
_NETWORKS = 32
_AFTER_CHANGE = 2
_THROTTLED = "account "


class _Account(Kept):
    home: Distinct = msgspec.field(default_factory=Distinct)
    changed_at: float = 0.0
    trail: Trail = msgspec.field(default_factory=Trail)


def throttled_account(event: AccessRejected) -> str | None:
    """The account whose sign-in is refused unseen, or the digest of a name; None where it is a source or no sign-in."""
    if event.reason != "login_throttled" or not event.detail or not event.detail.startswith(_THROTTLED):
        return None
    return event.detail.removeprefix(_THROTTLED)


class PasswordGuessing(Keyed[_Account]):
    """Failures from networks where the person has not signed in of late; a program with an old password is at home.

    For a day after a new password, when all that remembers the old one tries it, it takes twice as many.
    """

    name = "password_guessing"
    technique = "T1110.001"
    types: frozenset[type[Event]] = frozenset(
        {LoginFailed, AccessRejected, AccountPasswordSet, SessionStarted, SessionRenewed}
    )
    shape = _Account

    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__(thresholds.kept_keys, _QUARTER)
        self._window = float(thresholds.sign_in_window)
        self._guesses = thresholds.password_guesses

    def keys(self, fact: Fact) -> Iterable[str]:
        """The account, by its subject; where it is throttled the refusal names it."""
        event = fact.event
        if type(event) is AccessRejected:
            account = throttled_account(event)
            return (f"subject {account}",) if account else ()
        if type(event) is LoginFailed and (event.subject is None or event.method == "passkey"):
            return ()
        return (f"subject {event.subject}",)  # type: ignore[attr-defined]

    def observe(self, key: str, fact: Fact) -> Iterable[Signal]:
        """Learn where a person is at home; count failures elsewhere."""
        event, at = fact.event, moment_of(fact.recorded_at)
        account = self.recall(key, at)
        network = network_of(fact.source or "")
        if type(event) is AccountPasswordSet:
            account.changed_at = at
            return ()
        if type(event) is not LoginFailed and type(event) is not AccessRejected:
            account.home.add(network, at, _QUARTER, _NETWORKS)
            return ()
        if network in account.home.seen:
            return ()
        needed = self._guesses * (_AFTER_CHANGE if at - account.changed_at < _DAY else 1)
        account.trail.add(fact, at, self._window, _AFTER_CHANGE * self._guesses)
        if not account.trail.reached(needed, at, self._window):
            return ()
        severity: Severity = "high" if account.trail.count >= 3 * self._guesses else "medium"
        where = some(account.trail.sources, "addresses")
        over = lasting(max(at - account.trail.began, 1))
        summary = f"The password of one account was guessed {account.trail.count} times in {over} from {where}."
        subject = key.removeprefix("subject ")
        return (self.signal(fact, key, severity, summary, subject=subject, **account.trail.evidence()),)

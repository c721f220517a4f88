"""The accounts: who is known by which name, with which roles, folded from their events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from schema import events
from schema.envelope import Fact

_ENDED_LIMIT = 1_000


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey (WebAuthn). Id and public key (COSE) are base64url text; `added_at` is in seconds."""

    credential_id: str
    public_key: str
    label: str
    added_at: int
    sign_count: int = 0
    transports: tuple[str, ...] = ()


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person's account. `subject` is what tokens name it by; `name`, in normal form, is what people type.

    Sessions that rest on a sign-in before the position `sessions_after` are over, and so are grants begun before
    `grants_after`.
    """

    subject: str
    name: str
    email: str | None = None
    roles: frozenset[str] = frozenset()
    enabled: bool = True
    has_password: bool = False
    has_totp: bool = False
    passkeys: tuple[Passkey, ...] = ()
    recovery_digests: frozenset[str] = frozenset()
    sessions_after: int = 0
    grants_after: int = 0

    @property
    def has_second_factor(self) -> bool:
        """Whether a password alone does not sign in to it."""
        return self.has_totp or bool(self.passkeys)


class SessionsEnded(NamedTuple):
    """All sessions of an account ended at a position, by an event of this type."""

    position: int
    subject: str
    event_type: str


class Accounts:
    """All accounts, as of the last event folded. `sessions_ended` are the last times that all sessions of one ended.

    Removing a role takes it from every account, so that a later role of the same name is nobody's.
    """

    def __init__(self) -> None:
        self.by_subject: dict[str, Account] = {}
        self._subjects: dict[str, str] = {}
        self._passkeys: dict[str, str] = {}
        self.sessions_ended: deque[SessionsEnded] = deque(maxlen=_ENDED_LIMIT)
        self._versions: dict[UUID, int] = {}

    def named(self, name: str) -> Account | None:
        """The account of a name in normal form."""
        subject = self._subjects.get(name)
        return None if subject is None else self.by_subject[subject]

    def with_passkey(self, credential_id: str) -> Account | None:
        """The account that a passkey is of."""
        subject = self._passkeys.get(credential_id)
        return None if subject is None else self.by_subject[subject]

    def version_of(self, stream: UUID) -> int:
        """The version that an account's stream has, 0 for one without events."""
        return self._versions.get(stream, 0)

    def apply(self, fact: Fact) -> None:
        """Fold one event; those of other streams change nothing, but for the removal of a role."""
        if isinstance(fact.event, events.RoleRemoved):
            self._role_removed(fact.event)
            return
        handler = _HANDLERS.get(type(fact.event))
        if handler is not None:
            handler(self, fact.event)
            self._versions[fact.stream] = fact.version
        if isinstance(fact.event, _END_SESSIONS):
            self._replace(fact.event.subject, sessions_after=fact.position)
            self.sessions_ended.append(SessionsEnded(fact.position, fact.event.subject, fact.event.TYPE))
        if isinstance(fact.event, events.AccountSignedOut):
            self._replace(fact.event.subject, grants_after=fact.position)

    def _registered(self, event: events.AccountRegistered) -> None:
        self.by_subject[event.subject] = Account(subject=event.subject, name=event.name, email=event.email)
        self._subjects[event.name] = event.subject

    def _password_set(self, event: events.AccountPasswordSet) -> None:
        self._replace(event.subject, has_password=True)

    def _disabled(self, event: events.AccountDisabled) -> None:
        self._replace(event.subject, enabled=False)

    def _enabled(self, event: events.AccountEnabled) -> None:
        self._replace(event.subject, enabled=True)

    def _role_granted(self, event: events.RoleGranted) -> None:
        self._replace(event.subject, roles=self.by_subject[event.subject].roles | {event.role})

    def _role_withdrawn(self, event: events.RoleWithdrawn) -> None:
        self._replace(event.subject, roles=self.by_subject[event.subject].roles - {event.role})

    def _role_removed(self, event: events.RoleRemoved) -> None:
        holders = [account for account in self.by_subject.values() if event.name in account.roles]
        for account in holders:
            self._replace(account.subject, roles=account.roles - {event.name})

    def _signed_out(self, _: events.AccountSignedOut) -> None:
        """What it ends is told by its position."""

    def _totp_enrolled(self, event: events.TotpEnrolled) -> None:
        self._replace(event.subject, has_totp=True)

    def _totp_removed(self, event: events.TotpRemoved) -> None:
        self._replace(event.subject, has_totp=False)

    def _passkey_added(self, event: events.PasskeyAdded) -> None:
        passkey = Passkey(
            credential_id=event.credential_id,
            public_key=event.public_key,
            label=event.label,
            added_at=event.added_at,
            sign_count=event.sign_count,
            transports=event.transports,
        )
        self._replace(event.subject, passkeys=(*self.by_subject[event.subject].passkeys, passkey))
        self._passkeys[event.credential_id] = event.subject

    def _passkey_removed(self, event: events.PasskeyRemoved) -> None:
        kept = (each for each in self.by_subject[event.subject].passkeys if each.credential_id != event.credential_id)
        self._replace(event.subject, passkeys=tuple(kept))
        self._passkeys.pop(event.credential_id, None)

    def _recovery_codes_set(self, event: events.RecoveryCodesSet) -> None:
        self._replace(event.subject, recovery_digests=frozenset(event.digests))

    def _recovery_code_used(self, event: events.RecoveryCodeUsed) -> None:
        left = self.by_subject[event.subject].recovery_digests - {event.digest}
        self._replace(event.subject, recovery_digests=left)

    def _replace(self, subject: str, **changes: Any) -> None:
        self.by_subject[subject] = msgspec.structs.replace(self.by_subject[subject], **changes)


_HANDLERS: dict[type[events.Event], Callable[[Accounts, Any], None]] = {
    events.AccountRegistered: Accounts._registered,
    events.AccountPasswordSet: Accounts._password_set,
    events.AccountDisabled: Accounts._disabled,
    events.AccountEnabled: Accounts._enabled,
    events.AccountSignedOut: Accounts._signed_out,
    events.TotpEnrolled: Accounts._totp_enrolled,
    events.TotpRemoved: Accounts._totp_removed,
    events.PasskeyAdded: Accounts._passkey_added,
    events.PasskeyRemoved: Accounts._passkey_removed,
    events.RecoveryCodesSet: Accounts._recovery_codes_set,
    events.RecoveryCodeUsed: Accounts._recovery_code_used,
    events.RoleGranted: Accounts._role_granted,
    events.RoleWithdrawn: Accounts._role_withdrawn,
}
_END_SESSIONS = (events.AccountPasswordSet, events.AccountDisabled, events.AccountSignedOut)

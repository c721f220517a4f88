"""The accounts: who is known by which name, with which roles, folded from their events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec

from schema import events
from schema.envelope import Fact


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person's account. `subject` is what tokens name it by; `name`, in normal form, is what people type."""

    subject: str
    name: str
    email: str | None = None
    roles: frozenset[str] = frozenset()
    enabled: bool = True
    has_password: bool = False


class Accounts:
    """All accounts, as of the last event folded.

    Removing a role takes it from every account, so that a later role of the same name is nobody's.
    """

    def __init__(self) -> None:
        self.by_subject: dict[str, Account] = {}
        self._subjects: dict[str, str] = {}
        self._versions: dict[UUID, int] = {}

    def named(self, name: str) -> Account | None:
        """The account of a name in normal form."""
        subject = self._subjects.get(name)
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

    def _replace(self, subject: str, **changes: Any) -> None:
        self.by_subject[subject] = msgspec.structs.replace(self.by_subject[subject], **changes)


_HANDLERS: dict[type[events.Event], Callable[[Accounts, Any], None]] = {
    events.AccountRegistered: Accounts._registered,
    events.AccountPasswordSet: Accounts._password_set,
    events.AccountDisabled: Accounts._disabled,
    events.AccountEnabled: Accounts._enabled,
    events.RoleGranted: Accounts._role_granted,
    events.RoleWithdrawn: Accounts._role_withdrawn,
}

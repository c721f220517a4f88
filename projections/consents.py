"""Consents: what people allow clients, folded from their events."""

from __future__ import annotations

from uuid import UUID

from schema import events
from schema.envelope import Fact


class Consents:
    """Which scopes each person allows each client, as of the last event folded."""

    def __init__(self) -> None:
        self._scopes: dict[tuple[str, str], frozenset[str]] = {}
        self._versions: dict[UUID, int] = {}

    def scopes(self, subject: str, client_id: str) -> frozenset[str]:
        """The scopes that a person allows a client."""
        return self._scopes.get((subject, client_id), frozenset())

    def of_subject(self, subject: str) -> dict[str, frozenset[str]]:
        """What a person allows, by client id. Looks at all consents: for a page, not for a token."""
        return {client: scopes for (who, client), scopes in self._scopes.items() if who == subject and scopes}

    def version_of(self, stream: UUID) -> int:
        """The version that a consent's stream has, 0 for one without events."""
        return self._versions.get(stream, 0)

    def apply(self, fact: Fact) -> None:
        """Fold one event; those of other streams change nothing."""
        match fact.event:
            case events.ConsentGranted() as granted:
                key = (granted.subject, granted.client_id)
                self._scopes[key] = self.scopes(*key) | frozenset(granted.scopes)
            case events.ConsentWithdrawn() as withdrawn:
                self._scopes.pop((withdrawn.subject, withdrawn.client_id), None)
            case events.ClientRemoved() as removed:
                for key in [key for key in self._scopes if key[1] == removed.client_id]:
                    del self._scopes[key]
                return
            case _:
                return
        self._versions[fact.stream] = fact.version

"""Consents: what people allow clients, folded from their events."""

from __future__ import annotations

from uuid import UUID

from schema import events
from schema.envelope import Fact


class Consents:
    """Which scopes each person allows each client, as of the last event folded."""

    def __init__(self) -> None:
        self._allowed: dict[str, dict[str, frozenset[str]]] = {}
        self._versions: dict[UUID, int] = {}

    def scopes(self, subject: str, client_id: str) -> frozenset[str]:
        """The scopes that a person allows a client."""
        return self._allowed.get(subject, {}).get(client_id, frozenset())

    def of_subject(self, subject: str) -> dict[str, frozenset[str]]:
        """What a person allows, by client id."""
        return {client_id: scopes for client_id, scopes in self._allowed.get(subject, {}).items() if scopes}

    def version_of(self, stream: UUID) -> int:
        """The version that a consent's stream has, 0 for one without events."""
        return self._versions.get(stream, 0)

    def apply(self, fact: Fact) -> None:
        """Fold one event; those of other streams change nothing."""
        match fact.event:
            case events.ConsentGranted() as granted:
                before = self.scopes(granted.subject, granted.client_id)
                self._allowed.setdefault(granted.subject, {})[granted.client_id] = before | frozenset(granted.scopes)
            case events.ConsentWithdrawn() as withdrawn:
                self._forget(withdrawn.subject, withdrawn.client_id)
            case events.ClientRemoved() as removed:
                self._forget_client(removed.client_id)
                return
            case events.ClientRegistered() as registered if fact.version > 1:
                # What was committed behind the removal was allowed the client of before.
                self._forget_client(registered.client_id)
                return
            case _:
                return
        self._versions[fact.stream] = fact.version

    def _forget_client(self, client_id: str) -> None:
        for subject in [subject for subject, allowed in self._allowed.items() if client_id in allowed]:
            self._forget(subject, client_id)

    def _forget(self, subject: str, client_id: str) -> None:
        allowed = self._allowed.get(subject, {})
        allowed.pop(client_id, None)
        if not allowed:
            self._allowed.pop(subject, None)

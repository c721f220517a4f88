"""The access model: resources, roles and clients, folded from their events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from schema import events
from schema.envelope import Fact
from schema.own_api import OWN_API


class Secret(NamedTuple):
    """A client secret by its keyed digest; `expires_at` (seconds) is set once a newer one replaced it."""

    digest: str
    expires_at: int | None = None


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """An API by its audience URI, with the description of each of its scopes."""

    uri: str
    scopes: dict[str, str]


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """A named gathering of scopes."""

    name: str
    scopes: tuple[str, ...]


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """A client, its secrets (newest last) and whether it may act.

    Where its id was that of a client removed before, `since` is the position of its registration, `since_time` the
    time (seconds): what was granted before is the other one's. No two clients of one id have the same `since`.
    """

    settings: events.ClientSettings
    secrets: tuple[Secret, ...] = ()
    enabled: bool = True
    since: int = 0
    since_time: int = 0

    @property
    def client_id(self) -> str:
        """The name by which it is known."""
        return self.settings.client_id


class AccessModel:
    """What exists and what may be asked for, as of the last event folded.

    `governed` are the scopes that people give by a role alone: those that some role has or ever had, so that to take a
    role away opens nothing, and those of this server's own API. A scope that its resource no longer has is forgotten.
    """

    def __init__(self) -> None:
        self.resources: dict[str, Resource] = {}
        self.roles: dict[str, Role] = {}
        self.clients: dict[str, Client] = {}
        self.governed: set[str] = set()
        self._versions: dict[UUID, int] = {}
        self._scopes: dict[str, frozenset[str]] = {}

    def version_of(self, stream: UUID) -> int:
        """The version that a stream of the model has, 0 for one without events."""
        return self._versions.get(stream, 0)

    def scopes_of(self, client: Client) -> frozenset[str]:
        """Every scope a client may ask for: its own and those of its roles."""
        known = self._scopes.get(client.client_id)
        if known is None:
            of_roles = (self.roles[name].scopes for name in client.settings.roles if name in self.roles)
            known = frozenset(client.settings.scopes).union(*of_roles)
            self._scopes[client.client_id] = known
        return known

    def apply(self, fact: Fact) -> None:
        """Fold one event; those of other streams change nothing."""
        handler = _HANDLERS.get(type(fact.event))
        if handler is not None:
            handler(self, fact.event)
            if isinstance(fact.event, events.ClientRegistered) and fact.version > 1:
                since_time = int(fact.recorded_at.timestamp())
                self._replace(fact.event.client_id, since=fact.position, since_time=since_time)
            self._versions[fact.stream] = fact.version
            self._scopes.clear()

    def _resource(self, event: events.ResourceRegistered | events.ResourceUpdated) -> None:
        self.resources[event.uri] = Resource(uri=event.uri, scopes=event.scopes)
        if event.uri == OWN_API:
            self.governed.update(event.scopes)
        self._forget_ungoverned()

    def _resource_removed(self, event: events.ResourceRemoved) -> None:
        del self.resources[event.uri]
        self._forget_ungoverned()

    def _forget_ungoverned(self) -> None:
        of_resources = (resource.scopes for resource in self.resources.values())
        self.governed &= set[str]().union(*of_resources, *(role.scopes for role in self.roles.values()))

    def _role(self, event: events.RoleRegistered | events.RoleUpdated) -> None:
        self.roles[event.name] = Role(name=event.name, scopes=event.scopes)
        self.governed.update(event.scopes)

    def _role_removed(self, event: events.RoleRemoved) -> None:
        del self.roles[event.name]

    def _client_registered(self, event: events.ClientRegistered) -> None:
        secrets = (Secret(event.secret_digest),) if event.secret_digest else ()
        self.clients[event.client_id] = Client(settings=event, secrets=secrets)

    def _client_updated(self, event: events.ClientUpdated) -> None:
        before = self.clients[event.client_id]
        secrets = before.secrets if event.auth_method.startswith("client_secret_") else ()
        self._replace(event.client_id, settings=event, secrets=secrets)

    def _secret_rotated(self, event: events.ClientSecretRotated) -> None:
        before = self.clients[event.client_id]
        expiring = tuple(
            Secret(secret.digest, min(secret.expires_at or event.previous_expire_at, event.previous_expire_at))
            for secret in before.secrets[-1:]
        )
        self._replace(event.client_id, secrets=(*expiring, Secret(event.secret_digest)))

    def _client_disabled(self, event: events.ClientDisabled) -> None:
        self._replace(event.client_id, enabled=False)

    def _client_enabled(self, event: events.ClientEnabled) -> None:
        self._replace(event.client_id, enabled=True)

    def _client_removed(self, event: events.ClientRemoved) -> None:
        del self.clients[event.client_id]

    def _replace(self, client_id: str, **changes: Any) -> None:
        self.clients[client_id] = msgspec.structs.replace(self.clients[client_id], **changes)


_HANDLERS: dict[type[events.Event], Callable[[AccessModel, Any], None]] = {
    events.ResourceRegistered: AccessModel._resource,
    events.ResourceUpdated: AccessModel._resource,
    events.ResourceRemoved: AccessModel._resource_removed,
    events.RoleRegistered: AccessModel._role,
    events.RoleUpdated: AccessModel._role,
    events.RoleRemoved: AccessModel._role_removed,
    events.ClientRegistered: AccessModel._client_registered,
    events.ClientUpdated: AccessModel._client_updated,
    events.ClientSecretRotated: AccessModel._secret_rotated,
    events.ClientDisabled: AccessModel._client_disabled,
    events.ClientEnabled: AccessModel._client_enabled,
    events.ClientRemoved: AccessModel._client_removed,
}

NO_CHANGE = frozenset(name for name, kind in events.EVENT_TYPES.items() if kind not in _HANDLERS)
"""The event types that change nothing in the model, such as those of accounts, of which there may be very many. A type
that this version does not know is not among them.
"""

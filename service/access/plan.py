"""The difference between what is and what is wanted, as events to append. Pure: no clock, no I/O, no randomness.

A plan has one step a stream, in an order that never refers to what is not there: resources, roles and clients are made
or changed, then clients, roles and resources are removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from projections.access_model import AccessModel, Client
from schema.events import (
    ClientRegistered,
    ClientRemoved,
    ClientSecretRotated,
    ClientSettings,
    ClientUpdated,
    Event,
    ResourceRegistered,
    ResourceRemoved,
    ResourceUpdated,
    RoleRegistered,
    RoleRemoved,
    RoleUpdated,
)
from schema.streams import client_stream, resource_stream, role_stream
from service.access.jwks import public_jwk

Kind = Literal["resource", "role", "client", "account", "webhook"]
Action = Literal["add", "change", "remove"]
SETTINGS = tuple(name for name in ClientSettings.__struct_fields__ if name != "client_id")
_DEFAULTS = dict(zip(reversed(SETTINGS), reversed(ClientSettings.__struct_defaults__), strict=False))


class Wanted(NamedTuple):
    """What there should be: resources with the description of each scope, roles with their scopes, clients."""

    resources: Mapping[str, Mapping[str, str]] = {}
    roles: Mapping[str, Sequence[str]] = {}
    clients: Mapping[str, ClientSettings] = {}


class FieldChange(NamedTuple):
    """One field before and after; None where there is none."""

    field: str
    before: Any
    after: Any


class Step(NamedTuple):
    """The events of one stream, under the version that it has now.

    With `needs_secret` the client gets a new secret: `sealed` puts its digest into the events.
    """

    action: Action
    kind: Kind
    name: str
    stream: UUID
    expected_version: int
    events: tuple[Event, ...]
    fields: tuple[FieldChange, ...] = ()
    needs_secret: bool = False

    def sealed(self, digest: str) -> tuple[Event, ...]:
        """The events, with the digest of the client's new secret."""
        return tuple(_sealed(event, digest) for event in self.events)


class Plan(NamedTuple):
    """The steps to what is wanted; `kept` is what is not wanted but stays, as (kind, name)."""

    steps: tuple[Step, ...]
    kept: tuple[tuple[Kind, str], ...] = ()


class Applied(msgspec.Struct):
    """What is known to be done: the steps, the secrets of clients (shown once), the last position committed.

    `notes` say what an operator should look after.
    """

    steps: list[Step] = []
    secrets: dict[str, str] = {}
    position: int = 0
    notes: list[str] = []

    def note(self, step: Step, position: int) -> None:
        """A step is done; its last event is at `position`."""
        self.steps.append(step)
        self.position = position


def make_plan(model: AccessModel, wanted: Wanted, *, prune: bool) -> Plan:
    """The difference from `model` to `wanted`. With `prune`, what is not wanted is removed, else it is kept."""
    gone = tuple(_gone(model, wanted))
    removals = (_removal(model, kind, name) for kind, name in reversed(gone)) if prune else ()
    steps = (*_resource_steps(model, wanted), *_role_steps(model, wanted), *_client_steps(model, wanted), *removals)
    return Plan(steps, () if prune else gone)


def rotation(model: AccessModel, client: Client, previous_expire_at: int) -> Step:
    """A new secret for a client; the ones before it work until `previous_expire_at`, in seconds since 1970."""
    rotated = ClientSecretRotated(client_id=client.client_id, secret_digest="", previous_expire_at=previous_expire_at)
    return client_change(model, rotated, needs_secret=True)


def client_change(
    model: AccessModel, event: Any, fields: Iterable[FieldChange] = (), *, needs_secret: bool = False
) -> Step:
    """A step of one event of a client's stream."""
    stream = client_stream(event.client_id)
    version = model.version_of(stream)
    return Step("change", "client", event.client_id, stream, version, (event,), tuple(fields), needs_secret)


def normal(settings: ClientSettings) -> ClientSettings:
    """The same settings, with lists whose order means nothing sorted, and of each key the public members alone."""
    lists = {name: getattr(settings, name) for name in SETTINGS if name != "jwks"}
    return msgspec.structs.replace(
        settings,
        jwks=tuple(map(public_jwk, settings.jwks)),
        **{name: tuple(sorted(value)) for name, value in lists.items() if isinstance(value, tuple)},
    )


def uses_secret(settings: ClientSettings) -> bool:
    """Whether a client authenticates by a secret."""
    return settings.auth_method.startswith("client_secret_")


def _resource_steps(model: AccessModel, wanted: Wanted) -> Iterator[Step]:
    for uri, described in wanted.resources.items():
        stream, scopes, before = resource_stream(uri), dict(described), model.resources.get(uri)
        version = model.version_of(stream)
        if before is None:
            event: Event = ResourceRegistered(uri=uri, scopes=scopes)
            yield Step("add", "resource", uri, stream, version, (event,), _made(scopes=scopes))
        elif before.scopes != scopes:
            event = ResourceUpdated(uri=uri, scopes=scopes)
            yield Step("change", "resource", uri, stream, version, (event,), _scope_changes(before.scopes, scopes))


def _role_steps(model: AccessModel, wanted: Wanted) -> Iterator[Step]:
    for name, listed in wanted.roles.items():
        stream, scopes, before = role_stream(name), tuple(sorted(listed)), model.roles.get(name)
        version = model.version_of(stream)
        if before is None:
            event: Event = RoleRegistered(name=name, scopes=scopes)
            yield Step("add", "role", name, stream, version, (event,), _made(scopes=scopes))
        elif tuple(sorted(before.scopes)) != scopes:
            event = RoleUpdated(name=name, scopes=scopes)
            changed = (FieldChange("scopes", before.scopes, scopes),)
            yield Step("change", "role", name, stream, version, (event,), changed)


def _client_steps(model: AccessModel, wanted: Wanted) -> Iterator[Step]:
    for client_id, settings in wanted.clients.items():
        before = model.clients.get(client_id)
        step = _registration(model, normal(settings)) if before is None else _update(model, before, normal(settings))
        if step is not None:
            yield step


def _registration(model: AccessModel, settings: ClientSettings) -> Step:
    fields = {name: getattr(settings, name) for name in SETTINGS}
    stream = client_stream(settings.client_id)
    event = ClientRegistered(client_id=settings.client_id, **fields)
    return Step(
        "add",
        "client",
        settings.client_id,
        stream,
        model.version_of(stream),
        (event,),
        tuple(FieldChange(name, None, value) for name, value in fields.items() if value != _DEFAULTS.get(name)),
        needs_secret=uses_secret(settings),
    )


def _update(model: AccessModel, client: Client, settings: ClientSettings) -> Step | None:
    before, fields = normal(client.settings), {name: getattr(settings, name) for name in SETTINGS}
    changed = tuple(
        FieldChange(name, getattr(before, name), after)
        for name, after in fields.items()
        if getattr(before, name) != after
    )
    if not changed:
        return None
    step = client_change(model, ClientUpdated(client_id=settings.client_id, **fields), changed)
    if client.secrets or not uses_secret(settings):
        return step
    return step._replace(
        events=(*step.events, *rotation(model, client, previous_expire_at=0).events), needs_secret=True
    )


def _gone(model: AccessModel, wanted: Wanted) -> Iterator[tuple[Kind, str]]:
    yield from (("resource", uri) for uri in sorted(model.resources.keys() - wanted.resources.keys()))
    yield from (("role", name) for name in sorted(model.roles.keys() - wanted.roles.keys()))
    yield from (("client", client_id) for client_id in sorted(model.clients.keys() - wanted.clients.keys()))


def _removal(model: AccessModel, kind: Kind, name: str) -> Step:
    stream, event = _REMOVED[kind](name)
    return Step("remove", kind, name, stream, model.version_of(stream), (event,))


def _scope_changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(f"scopes.{scope}", before.get(scope), after.get(scope))
        for scope in sorted(before.keys() | after.keys())
        if before.get(scope) != after.get(scope)
    )


def _made(**fields: Any) -> tuple[FieldChange, ...]:
    return tuple(FieldChange(name, None, value) for name, value in fields.items() if value)


def _sealed(event: Event, digest: str) -> Event:
    if isinstance(event, ClientRegistered | ClientSecretRotated):
        return msgspec.structs.replace(event, secret_digest=digest)
    return event


_REMOVED: dict[Kind, Callable[[str], tuple[UUID, Event]]] = {
    "resource": lambda uri: (resource_stream(uri), ResourceRemoved(uri=uri)),
    "role": lambda name: (role_stream(name), RoleRemoved(name=name)),
    "client": lambda client_id: (client_stream(client_id), ClientRemoved(client_id=client_id)),
}

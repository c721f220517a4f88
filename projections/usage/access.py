"""What is registered, as rows: clients, roles and the scopes of APIs, each name with the second it is there since.

Such events are few: the rows that a page's events are about are read, changed in memory and written back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from projections.sql_projection import Link
from schema import events
from schema.envelope import Fact

Since = dict[str, int]
"""Names, and since when (seconds since 1970) each is there."""


class ClientRow(msgspec.Struct):
    """A client. Times are in seconds. It `gets_tokens` where it has a grant; an API that only introspects has none."""

    registered: int
    enabled: bool
    gets_tokens: bool
    scopes: Since
    roles: Since


class Access:
    """Rows of one slot by their names."""

    def __init__(self) -> None:
        self.clients: dict[str, ClientRow] = {}
        self.roles: dict[str, Since] = {}
        self.resources: dict[str, Since] = {}

    def apply(self, event: events.Event, second: int) -> None:
        """Fold one event; those of something that is not known change nothing."""
        match event:
            case events.ClientRegistered():
                self.clients[event.client_id] = _client(event, second, ClientRow(second, True, False, {}, {}))
            case events.ClientUpdated() if event.client_id in self.clients:
                self.clients[event.client_id] = _client(event, second, self.clients[event.client_id])
            case events.ClientDisabled() | events.ClientEnabled() if event.client_id in self.clients:
                self.clients[event.client_id].enabled = isinstance(event, events.ClientEnabled)
            case events.ClientRemoved():
                self.clients.pop(event.client_id, None)
            case events.RoleRegistered() | events.RoleUpdated():
                self.roles[event.name] = _since(event.scopes, self.roles.get(event.name, {}), second)
            case events.RoleRemoved():
                self.roles.pop(event.name, None)
            case events.ResourceRegistered() | events.ResourceUpdated():
                self.resources[event.uri] = _since(event.scopes, self.resources.get(event.uri, {}), second)
            case events.ResourceRemoved():
                self.resources.pop(event.uri, None)


async def fold_access(connection: Link, slot: int, facts: Sequence[Fact]) -> None:
    """Fold a page's events of the access model, in their order, into a slot's rows."""
    if not facts:
        return
    named = [_named(fact.event) for fact in facts]
    names = {table: sorted({name for at, name in named if at == table}) for table in _READ}
    access = Access()
    for table, wanted in names.items():
        if wanted:
            _fill(access, table, await connection.fetch(_READ[table], slot, wanted))
    for fact in facts:
        access.apply(fact.event, int(fact.recorded_at.timestamp()))
    for table, wanted in names.items():
        if wanted:
            await connection.execute(_DELETE[table], slot, wanted)
            await connection.executemany(_INSERT[table], [(slot, *row) for row in _rows(access, table)])


def _client(settings: events.ClientSettings, second: int, before: ClientRow) -> ClientRow:
    return ClientRow(
        before.registered,
        before.enabled,
        bool(settings.grants),
        _since(settings.scopes, before.scopes, second),
        _since(settings.roles, before.roles, second),
    )


def _since(names: Iterable[str], before: Mapping[str, int], second: int) -> Since:
    return {name: before.get(name, second) for name in names}


def _named(event: events.Event) -> tuple[str, str]:
    """The table and the name that an event is about."""
    for attribute, table in (("client_id", "clients"), ("name", "roles"), ("uri", "resources")):
        if (name := getattr(event, attribute, None)) is not None:
            return table, name
    raise LookupError(f"{event.TYPE} names nothing")


def _fill(access: Access, table: str, rows: Iterable[Any]) -> None:
    if table == "clients":
        for name, registered, enabled, gets_tokens, scopes, roles in rows:
            access.clients[name] = ClientRow(int(registered), enabled, gets_tokens, _map(scopes), _map(roles))
    else:
        known = access.roles if table == "roles" else access.resources
        known.update({name: _map(scopes) for name, scopes in rows})


def _rows(access: Access, table: str) -> list[tuple[Any, ...]]:
    if table == "clients":
        return [
            (name, row.registered, row.enabled, row.gets_tokens, _json(row.scopes), _json(row.roles))
            for name, row in access.clients.items()
        ]
    known = access.roles if table == "roles" else access.resources
    return [(name, _json(scopes)) for name, scopes in known.items()]


def _map(text: str) -> Since:
    return msgspec.json.decode(text, type=Since)


def _json(since: Since) -> str:
    return msgspec.json.encode(since).decode()


_READ = {
    "clients": """
        SELECT client, extract(epoch FROM registered), enabled, gets_tokens, scopes::text, roles::text
        FROM usage_data.clients WHERE slot = $1 AND client = ANY ($2)
    """,
    "roles": "SELECT role, scopes::text FROM usage_data.roles WHERE slot = $1 AND role = ANY ($2)",
    "resources": "SELECT resource, scopes::text FROM usage_data.resources WHERE slot = $1 AND resource = ANY ($2)",
}
_DELETE = {
    "clients": "DELETE FROM usage_data.clients WHERE slot = $1 AND client = ANY ($2)",
    "roles": "DELETE FROM usage_data.roles WHERE slot = $1 AND role = ANY ($2)",
    "resources": "DELETE FROM usage_data.resources WHERE slot = $1 AND resource = ANY ($2)",
}
_INSERT = {
    "clients": """
        INSERT INTO usage_data.clients (slot, client, registered, enabled, gets_tokens, scopes, roles)
        VALUES ($1, $2, to_timestamp($3::bigint), $4, $5, $6::text::jsonb, $7::text::jsonb)
    """,
    "roles": "INSERT INTO usage_data.roles (slot, role, scopes) VALUES ($1, $2, $3::text::jsonb)",
    "resources": "INSERT INTO usage_data.resources (slot, resource, scopes) VALUES ($1, $2, $3::text::jsonb)",
}

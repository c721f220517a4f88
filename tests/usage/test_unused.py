"""Clients, their scopes and those of APIs, and when each was last used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings

from schema import events
from schema.envelope import Fact
from schema.streams import client_stream, resource_stream, role_stream
from tests.servers import Database
from tests.usage.folding import begin, cut, fold, folder, view
from tests.usage.histories import BEGIN, Telling, token, usage_histories
from tests.usage.test_fold import Bench

API = "https://a.example.com"


@pytest.fixture
async def bench(database: Database) -> AsyncIterator[Bench]:
    """An empty database."""
    owner: asyncpg.Connection[Any] = await asyncpg.connect(database.owner_url)
    try:
        async with folder(database) as connection:
            yield Bench(owner, connection)
    finally:
        await owner.close()


async def seen(bench: Bench, telling: Telling, name: str) -> list[tuple[Any, ...]]:
    """The rows of a view, sorted, times as seconds after the beginning."""
    await begin(bench.owner, telling.facts)
    await fold(bench.folder, cut(telling.facts, (1, 2, 3)))
    rows = await view(bench.owner, name)
    return sorted((tuple(_since(value) for value in row.values()) for row in rows), key=repr)


def _since(value: Any) -> Any:
    return value - BEGIN if isinstance(value, int) and not isinstance(value, bool) else value


def _register(
    telling: Telling,
    client: str,
    *scopes: str,
    roles: tuple[str, ...] = (),
    grants: tuple[str, ...] = ("client_credentials",),
    known: bool = False,
) -> None:
    kind = events.ClientUpdated if known else events.ClientRegistered
    event = kind(client_id=client, auth_method="client_secret_basic", grants=grants, scopes=scopes, roles=roles)
    telling.tell(client_stream(client), event)


def _introspect(telling: Telling, introspector: str, *, active: bool) -> None:
    """A token of the client `web`, or one that is not active."""
    if active:
        counted = events.IntrospectionCount(
            resource=API, scope="read", grant_type="x", introspector=introspector, count=1
        )
        minute = int(telling.now) // 60 * 60
        telling.alone(events.UsageRecorded(client_id="web", minute=minute, introspections=(counted,)))
    else:
        refused: dict[str, Any] = {"endpoint": "introspect", "error": "inactive_token", "status": 200}
        telling.alone(events.AccessRejected(**refused, reason="token_expired", client_id=introspector))


def _issue(telling: Telling, client: str, scope: str) -> None:
    common = token(telling.now, client, client, API, scope)
    telling.alone(events.TokenIssued(**common, grant_type="client_credentials"))


async def test_a_client_without_a_token_is_unused(bench: Bench) -> None:
    """Until it gets a token; a disabled one is shown as such, one that was removed not at all."""
    telling = Telling()
    for client in ("used", "idle", "disabled", "removed"):
        _register(telling, client, "read")
    telling.now += 60
    telling.tell(client_stream("disabled"), events.ClientDisabled(client_id="disabled"))
    telling.tell(client_stream("removed"), events.ClientRemoved(client_id="removed"))
    _issue(telling, "used", "")

    assert await seen(bench, telling, "unused_clients") == [("disabled", False, 0), ("idle", True, 0)]


@pytest.mark.parametrize("active", [True, False])
async def test_an_api_that_introspects_is_used(bench: Bench, active: bool) -> None:
    """Whatever it is told of the token; with grants or without."""
    telling = Telling()
    for client, grants in (("api", ()), ("guard", ("client_credentials",)), ("idle", ("client_credentials",))):
        _register(telling, client, grants=grants)
    telling.now += 120
    for client in ("api", "guard"):
        _introspect(telling, client, active=active)

    assert await seen(bench, telling, "unused_clients") == [("idle", True, 0)]
    clients = {client: (unused, asked) for client, *_, unused, asked, _ in await seen(bench, telling, "clients")}
    assert clients == {"api": (120, 120), "guard": (120, 120), "idle": (0, None)}


async def test_a_client_without_a_grant_is_not_unused(bench: Bench) -> None:
    """It can get no token, until it is given a grant; one that lost its grants is not unused any more."""
    telling = Telling()
    _register(telling, "api", grants=())
    _register(telling, "changed", grants=())
    _register(telling, "changed", known=True)
    _register(telling, "lost")
    _register(telling, "lost", grants=(), known=True)

    assert await seen(bench, telling, "unused_clients") == [("changed", True, 0)]
    gets_tokens = {row["client"]: row["gets_tokens"] for row in await view(bench.owner, "clients")}
    assert gets_tokens == {"api": False, "changed": True, "lost": False}


async def test_who_guesses_secrets_in_an_apis_name_is_no_use_of_it(bench: Bench) -> None:
    """A refusal to introspect at all is none of a token's."""
    telling = Telling()
    _register(telling, "guard")
    refused: dict[str, Any] = {"endpoint": "introspect", "error": "invalid_client", "status": 401}
    telling.alone(events.AccessRejected(**refused, reason="bad_secret", client_id="guard"))

    assert await seen(bench, telling, "unused_clients") == [("guard", True, 0)]


async def test_a_client_of_a_removed_ones_name_is_a_new_one(bench: Bench) -> None:
    """What the one before it used is not its use."""
    telling = Telling()
    _register(telling, "web", "read")
    _issue(telling, "web", "read")
    _introspect(telling, "web", active=True)
    telling.now += 600
    telling.tell(client_stream("web"), events.ClientRemoved(client_id="web"))
    _register(telling, "web", "read")

    assert await seen(bench, telling, "clients") == [("web", 600, True, None, None, 600, None, True)]
    assert await seen(bench, telling, "unused_scopes") == [("web", "read", 600)]


async def test_scopes_are_held_since_they_were_given(bench: Bench) -> None:
    """By the client itself or by a role, the first of the ways; one that was taken away and given again is new."""
    telling = Telling()
    telling.tell(role_stream("writer"), events.RoleRegistered(name="writer", scopes=("write",)))
    _register(telling, "web", "read", "admin")
    telling.now += 120
    _register(telling, "web", "read", roles=("writer",), known=True)
    telling.now += 120
    _register(telling, "web", "read", "admin", roles=("writer",), known=True)
    telling.tell(role_stream("writer"), events.RoleUpdated(name="writer", scopes=("write", "read", "purge")))
    telling.now += 60
    _issue(telling, "web", "write read")

    assert await seen(bench, telling, "client_scopes") == [
        ("web", "admin", 240, None, None, 240),
        ("web", "purge", 240, None, None, 240),
        ("web", "read", 0, 300, None, 300),
        ("web", "write", 120, 300, None, 300),
    ]
    assert await seen(bench, telling, "unused_scopes") == [("web", "admin", 240), ("web", "purge", 240)]


async def test_an_apis_scopes_are_used_by_any_client(bench: Bench) -> None:
    """The last token and the last introspection with each scope, of the scopes that the API has now."""
    telling = Telling()
    telling.tell(resource_stream(API), events.ResourceRegistered(uri=API, scopes={"read": "", "old": ""}))
    telling.now += 60
    _issue(telling, "web", "read old")
    telling.tell(resource_stream(API), events.ResourceUpdated(uri=API, scopes={"read": "", "write": ""}))
    telling.now += 120
    _introspect(telling, "api", active=True)

    assert await seen(bench, telling, "resource_scopes") == [
        (API, "read", 0, 60, 180, 60),
        (API, "write", 60, None, None, 60),
    ]


@given(history=usage_histories())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_registered_clients_are_those_of_the_history(bench: Bench, history: list[Fact]) -> None:
    """For any history: who is registered, since when, with grants or not, the last token and introspection since."""
    await begin(bench.owner, history)
    await fold(bench.folder, cut(history, (2, 5)))

    registered: dict[str, int] = {}
    grants: dict[str, bool] = {}
    last: dict[str, int] = {}
    asked: dict[str, int] = {}
    for fact in history:
        second = int(fact.recorded_at.timestamp() // 1)
        match fact.event:
            case events.ClientRegistered(client_id=client):
                registered[client], grants[client] = second, bool(fact.event.grants)
            case events.ClientUpdated(client_id=client):
                grants[client] = bool(fact.event.grants)
            case events.ClientRemoved(client_id=client):
                registered.pop(client, None)
            case events.TokenIssued(client_id=client) | events.TokenRefreshed(client_id=client):
                last[client] = max(second // 60 * 60, last.get(client, 0))
            case events.AccessRejected(endpoint="introspect", error="inactive_token", client_id=str(client)):
                asked[client] = max(second // 60 * 60, asked.get(client, 0))
            case events.UsageRecorded(minute=minute, introspections=counts):
                for count in counts:
                    at = min(minute, second) // 60 * 60
                    asked[count.introspector] = max(at, asked.get(count.introspector, 0))

    def after(times: dict[str, int], client: str) -> int | None:
        at = times.get(client, 0)
        return at if at >= registered[client] // 60 * 60 else None

    expected = {
        (client, since, grants[client], after(last, client), after(asked, client))
        for client, since in registered.items()
    }
    columns = ("client", "registered", "gets_tokens", "last_issued", "last_asked")
    rows = await view(bench.owner, "clients")
    assert expected == {tuple(row[column] for column in columns) for row in rows}

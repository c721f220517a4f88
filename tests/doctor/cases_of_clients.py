"""Faults of clients, and of how they are used."""

from __future__ import annotations

from typing import Any

from schema.own_api import OWN_API
from service.doctor import (
    client_use,
    clients,
)
from service.doctor.facts import ClientUse, Moments, ScopeUse
from service.doctor.finding import Unseen
from tests.doctor.healthy import (
    PAYMENTS,
    USERS,
    Case,
    client,
    client_facts,
    days,
    model,
    one,
)

_PERSON = ("authorization_code", "refresh_token")


def _client(found: str | None, severity: str = "warn", says: str = "app", **changes: Any) -> Case:
    told = set() if found is None else {(found, severity)}
    return Case(clients.GROUP, client_facts(client(**changes)), told, says if told else "")


_AUDITORS = [client(f"a{number}", resources=(OWN_API,), scopes=("audit:read",)) for number in range(4)]
_PUBLIC: dict[str, Any] = {"auth_method": "none", "grants": _PERSON}
CLIENT_CASES = {
    "well": _client(None),
    "unseen": Case(
        clients.GROUP,
        Unseen("Postgres is away"),
        {("access-model-unseen", "fail")} | {(check.id, "unknown") for check in clients.CHECKS[1:]},
        "is away",
    ),
    "public": _client(None, **_PUBLIC, redirect_uris=("com.example.app:/cb",)),
    "public with a secret": _client("client-public-secret", "fail", **_PUBLIC, secrets=1),
    "public by itself": _client(
        "client-public-credentials", "fail", auth_method="none", grants=("client_credentials",)
    ),
    "public introspects": _client("client-public-introspects", "fail", **_PUBLIC, introspects=(USERS,)),
    "public first party app": _client(
        "client-public-first-party", **_PUBLIC, first_party=True, redirect_uris=("http://127.0.0.1/cb",)
    ),
    "public first party site": _client(None, **_PUBLIC, first_party=True, redirect_uris=("https://a.example/cb",)),
    "public unrotated": _client("client-refresh-not-rotated", "fail", **_PUBLIC, refresh_rotation=False),
    "confidential unrotated": _client("client-refresh-not-rotated", "info", grants=_PERSON, refresh_rotation=False),
    "unrotated, and gets none": _client(None, refresh_rotation=False),
    "both kinds": _client("client-acts-for-itself-and-people", grants=(*_PERSON, "client_credentials")),
    "a web application's secret": _client(
        "client-secret-shared", "info", grants=_PERSON, auth_method="client_secret_basic", secrets=1
    ),
    "a worker's secret": _client(None, auth_method="client_secret_basic", secrets=1),
    "introspects all": _client("client-introspects-all", introspects=(USERS, PAYMENTS)),
    "introspects its own": _client(None, introspects=(USERS,)),
    "introspects the only one": Case(
        clients.GROUP,
        client_facts(model=model(client(introspects=(USERS,)), resources={USERS: {}, OWN_API: {}})),
        set(),
    ),
    "three auditors": Case(clients.GROUP, client_facts(*_AUDITORS[:3]), set()),
    "four auditors": one(
        clients.GROUP,
        client_facts(*_AUDITORS),
        "own-api-held-by-many",
        says="4 clients may ask for audit:read",
    ),
}
_SECRET: dict[str, Any] = {"auth_method": "client_secret_basic", "secrets": 1}
_OLD = Moments({"app": days(366)}, {"app": days(91)})
USE_CASES = {
    "used": Case(client_use.GROUP, client_facts(client()), set()),
    "unseen": Case(
        client_use.GROUP, Unseen("Postgres is away"), {(check.id, "unknown") for check in client_use.CHECKS}
    ),
    "old secret": one(
        client_use.GROUP, client_facts(client(**_SECRET), moments=_OLD), "client-secret-old", says="366 days"
    ),
    "secret of a year": Case(
        client_use.GROUP, client_facts(client(**_SECRET), moments=Moments({"app": days(365)}, {})), set()
    ),
    "key, and an old secret gone": Case(client_use.GROUP, client_facts(client(), moments=_OLD), set()),
    "disabled long ago": one(
        client_use.GROUP,
        client_facts(client(**_SECRET, enabled=False), moments=_OLD),
        "client-disabled-lingers",
        "info",
        "91 days",
    ),
    "unused": one(
        client_use.GROUP,
        client_facts(client(), unused=(ClientUse("app", days(100), days(100)),)),
        "client-unused",
        says="not used for 100 days",
    ),
    "never used": one(
        client_use.GROUP,
        client_facts(client(), unused=(ClientUse("app", days(100), None),)),
        "client-unused",
        says="never used",
    ),
    "unused and disabled": Case(
        client_use.GROUP,
        client_facts(client(enabled=False), unused=(ClientUse("app", days(100), None),)),
        set(),
    ),
    "removed meanwhile": Case(client_use.GROUP, client_facts(unused=(ClientUse("gone", days(100), None),)), set()),
    "unused scopes": one(
        client_use.GROUP,
        client_facts(client(), unused_scopes=(ScopeUse("app", "b", days(100)), ScopeUse("app", "a", days(100)))),
        "client-scopes-unused",
        says="app has not used a, b",
    ),
    "unused scopes of one unused": one(
        client_use.GROUP,
        client_facts(
            client(),
            unused=(ClientUse("app", days(100), None),),
            unused_scopes=(ScopeUse("app", "a", days(100)),),
        ),
        "client-unused",
    ),
    "not folded": Case(
        client_use.GROUP,
        client_facts(client(), folded=False),
        {("usage-not-folded", "warn"), ("client-unused", "unknown"), ("client-scopes-unused", "unknown")},
    ),
}

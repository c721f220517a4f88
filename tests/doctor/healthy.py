"""Facts of a deployment with which nothing is amiss, to change one thing of; and how a case is told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from projections.access_model import AccessModel, Client, Resource, Secret
from projections.keyset import Key, KeySet
from schema.events import ClientSettings
from service.doctor.facts import (
    Certificate,
    ClientFacts,
    DatabaseFacts,
    FileFacts,
    HttpFacts,
    KeyFacts,
    LimitFacts,
    Moments,
    NatsFacts,
    Part,
    Plain,
    Readiness,
    RecordFacts,
    RoleFacts,
    TokenFacts,
)
from service.doctor.finding import Finding, Group
from service.doctor.issuer import IssuerFacts
from service.doctor.tls import TlsFacts
from service.projecting.lag import Lag
from service.settings import Settings

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
ISSUER = "https://auth.example.com"
USERS, PAYMENTS = "https://api.example.com/users", "https://api.example.com/payments"
DAY = 86_400


class Case(NamedTuple):
    """Facts, and each finding that is not `ok`: its id, its severity and a word of its sentence."""

    group: Group
    facts: object
    found: set[tuple[str, str]]
    says: str = ""

    def seen(self) -> list[Finding]:
        """What the group finds, what is well left out."""
        return [each for each in self.group.findings(self.facts) if each.severity != "ok"]


def one(group: Group, facts: object, found: str, severity: str = "warn", says: str = "") -> Case:
    """A case with one finding."""
    return Case(group, facts, {(found, severity)}, says)


def days(count: float) -> dt.datetime:
    """So many days before now."""
    return NOW - dt.timedelta(days=count)


def settings(**changes: Any) -> Settings:
    """Settings behind a proxy, with a list of breached passwords."""
    given = {"issuer": ISSUER, "trusted_proxies": "10.0.0.1", "breached_passwords_file": "breached.txt"}
    return msgspec.convert(given | changes, Settings, strict=False, dec_hook=lambda kind, value: kind(value))


def http(**changes: Any) -> HttpFacts:
    """A server that says what it should."""
    given: dict[str, Any] = {
        "url": ISSUER,
        "issuer": ISSUER,
        "asked": ISSUER,
        "metadata": {"issuer": ISSUER, "token_endpoint": f"{ISSUER}/oauth2/token", "jwks_uri": f"{ISSUER}/jwks"},
        "certificate": certificate(),
        "hsts": "max-age=31536000",
        "plain": (Plain("http://auth.example.com:80", 301, ISSUER), Plain("http://10.0.0.2:8080", None)),
        "jwks": ("current",),
        "jwks_max_age": 300,
        "readiness": Readiness({"relay": Part("ready", "published")}),
    }
    return HttpFacts(**given | changes)


def certificate(**changes: Any) -> Certificate:
    """A certificate that is trusted and new."""
    given: dict[str, Any] = {
        "subject": "auth.example.com",
        "expires": days(-60),
        "signed_by_itself": False,
        "distrust": "",
    }
    return Certificate(**given | changes)


def issuer_facts(set_: Mapping[str, Any] = {}, *, speaks_tls: bool = False, **changes: Any) -> IssuerFacts:
    """What the server says, with other settings."""
    return IssuerFacts(http(**changes), settings(**set_), speaks_tls)


def tls_facts(**changes: Any) -> TlsFacts:
    """What the server shows."""
    return TlsFacts(http(**changes), NOW)


def client(name: str = "app", *, enabled: bool = True, secrets: int = 0, **changes: Any) -> Client:
    """A confidential client that introspects nothing, with a key."""
    given: dict[str, Any] = {"client_id": name, "auth_method": "private_key_jwt", "grants": ("client_credentials",)}
    settings_ = ClientSettings(**given | {"token_format": "opaque"} | changes)
    return Client(settings=settings_, secrets=(Secret("digest"),) * secrets, enabled=enabled)


def model(*clients: Client, resources: dict[str, dict[str, str]] | None = None) -> AccessModel:
    """An access model of clients and two APIs."""
    made = AccessModel()
    apis = {USERS: {"read:users": ""}, PAYMENTS: {"read:payments": ""}} if resources is None else resources
    made.resources = {uri: Resource(uri=uri, scopes=scopes) for uri, scopes in apis.items()}
    made.clients = {each.client_id: each for each in clients}
    return made


def client_facts(*clients: Client, **changes: Any) -> ClientFacts:
    """Clients that are used."""
    given: dict[str, Any] = {"model": model(*clients), "moments": Moments({}, {}), "now": NOW, "folded": True}
    return ClientFacts(**given | changes)


def token_facts(*clients: Client, **changes: Any) -> TokenFacts:
    """Lifetimes of the settings and of clients."""
    return TokenFacts(settings(**changes), model(*clients))


def key(kid: str, status: str, *, age: float = 10, alg: str = "ES256", retires: float | None = None) -> Key:
    """A key that has signed for some days, and is to be retired in some."""
    at = int(days(age).timestamp())
    return Key(
        kid=kid,
        alg=alg,
        jwk={},
        status=status,  # type: ignore[arg-type]
        created_at=at,
        activates_at=at,
        retires_at=None if retires is None else int(days(-retires).timestamp()),
    )


def key_facts(
    *keys: Key, published: tuple[str, ...] | None = ("current",), max_age: int | None = 300, **changes: Any
) -> KeyFacts:
    """Signing keys, and what is published of them."""
    known = KeySet()
    known.keys = {each.kid: each for each in keys}
    return KeyFacts(known, settings(**changes), NOW.timestamp(), published, max_age)


def limit_facts(problem: str = "", **changes: Any) -> LimitFacts:
    """The limits of settings."""
    return LimitFacts(settings(**changes), problem)


def database_facts(role: Mapping[str, Any] = {}, **changes: Any) -> DatabaseFacts:
    """A Postgres on this machine, and a login that may append alone."""
    given: dict[str, Any] = {
        "today": NOW.date(),
        "role": RoleFacts(**{"name": "service", **role}),
        "version": 18,
        "durability": {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"},
        "defaults": {"synchronous_commit": "on"},
        "checksums": True,
        "password_encryption": "scram-sha-256",
        "analyst_reads": (),
        "vault_readers": (),
        "open_functions": False,
        "address": None,
        "encrypted": False,
        "verified": False,
    }
    return DatabaseFacts(**given | changes)


def nats_facts(**changes: Any) -> NatsFacts:
    """A NATS on this machine that syncs, with accounts."""
    given: dict[str, Any] = {
        "version": (2, 12),
        "host": "127.0.0.1",
        "encrypted": False,
        "open": False,
        "sync_always": True,
        "sync_how": "nats.conf",
        "cluster": None,
        "stream_there": True,
        "audit_writes": False,
    }
    return NatsFacts(**given | changes)


def lag(name: str, *, state: str = "running", position: int = 7, seconds: float = 0) -> Lag:
    """One that folds a journal of seven events."""
    return Lag(
        name=name,
        position=position,
        head=7,
        lag_events=7 - position,
        lag_seconds=seconds,
        state=state,
        reason="why",
        seen_at=NOW,
    )


def record_facts(
    *lags: Lag, stream: tuple[int, int, int] | None = (1, 7, 0), readiness: Readiness | None = None
) -> RecordFacts:
    """A journal of seven events that a relay follows."""
    said = http().readiness if readiness is None else readiness
    return RecordFacts(lags or (lag("relay"),), 7, stream, said)


def file_facts(set_: Mapping[str, Any] = {}, **changes: Any) -> FileFacts:
    """Files that only their owner can use."""
    return FileFacts(settings=settings(**set_), **changes)

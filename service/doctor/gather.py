"""Asks the running deployment for the facts that each group of checks needs. What cannot be had is told, not raised."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable
from typing import NamedTuple, TypeVar

from consumers.connection import NatsUnavailable
from projections.access_model import AccessModel
from projections.keyset import KeySet
from schema.envelope import Fact
from schema.events import ClientDisabled, ClientRegistered, ClientSecretRotated, UnknownEventType
from service.accounts.breached import BreachedUnreadable, is_breached
from service.bootstrap import open_journal
from service.doctor import (
    client_use,
    clients,
    clock,
    database,
    files,
    issuer,
    keys,
    limits,
    nats,
    record,
    redirects,
    tls,
    tokens,
)
from service.doctor.ask_database import ask_database, ask_use
from service.doctor.ask_files import ask_files
from service.doctor.ask_http import ask
from service.doctor.ask_nats import ask_nats
from service.doctor.facts import (
    ClientFacts,
    ClientUse,
    Clock,
    DatabaseFacts,
    HttpFacts,
    KeyFacts,
    LimitFacts,
    Moments,
    NatsFacts,
    RecordFacts,
    ScopeUse,
    TokenFacts,
)
from service.doctor.finding import Finding, Group, Unseen
from service.doctor.instance import Deployed
from service.doctor.issuer import IssuerFacts
from service.doctor.places import split
from service.doctor.tls import TlsFacts
from service.embedded.home import Home
from service.journal.port import JournalError
from service.projecting.lag import Lag, read_lags
from service.settings import Settings, SettingsError

GROUPS: tuple[Group, ...] = (
    issuer.GROUP,
    tls.GROUP,
    redirects.GROUP,
    clients.GROUP,
    client_use.GROUP,
    tokens.GROUP,
    keys.GROUP,
    limits.GROUP,
    database.GROUP,
    nats.GROUP,
    record.GROUP,
    clock.GROUP,
    files.GROUP,
)
"""In the order in which they are told."""

_OF_CLIENTS = (redirects.GROUP.name, clients.GROUP.name, client_use.GROUP.name)

T = TypeVar("T")
_REASONS = (JournalError, NatsUnavailable, SettingsError, UnknownEventType)


class _Use(NamedTuple):
    folded: bool
    clients: tuple[ClientUse, ...]
    scopes: tuple[ScopeUse, ...]


class _Model(NamedTuple):
    access: AccessModel
    keys: KeySet
    moments: Moments


async def examine(deployment: Deployed, *, url: str | None = None, monitoring: str | None = None) -> list[Finding]:
    """All findings on a deployment. `url` is where to ask instead of the issuer, `monitoring` NATS' monitoring port."""
    settings, now = deployment.settings, dt.datetime.now(dt.UTC)
    address = str(settings.database_url)
    http, server_clock = await ask(settings.issuer, url, deployment.local_url)
    base = await _seen(ask_database(address, now))
    model = await _seen(_model(settings))
    use = await _seen(_use(address, now))
    bus = await _seen(_nats(deployment, monitoring))
    lags = await _seen(read_lags(address))
    facts: dict[str, object] = {
        issuer.GROUP.name: IssuerFacts(http, settings, _speaks_tls(deployment)),
        tls.GROUP.name: _tls(http, settings, url, now),
        tokens.GROUP.name: model if isinstance(model, Unseen) else TokenFacts(settings, model.access),
        keys.GROUP.name: model if isinstance(model, Unseen) else _keys(model, settings, http, now),
        limits.GROUP.name: LimitFacts(settings, _breached_problem(settings)),
        database.GROUP.name: base if isinstance(base, Unseen) else base[0],
        nats.GROUP.name: bus if isinstance(bus, Unseen) else bus[0],
        record.GROUP.name: lags if isinstance(lags, Unseen) else _record(lags, bus, http),
        clock.GROUP.name: _clocks(server_clock, base, bus),
        files.GROUP.name: ask_files(settings, deployment.differing),
    }
    facts |= dict.fromkeys(_OF_CLIENTS, _clients(model, use, now))
    return [found for group in GROUPS if facts[group.name] is not None for found in group.findings(facts[group.name])]


async def _seen(work: Awaitable[T]) -> T | Unseen:
    try:
        return await work
    except _REASONS as error:
        return Unseen(str(error) or type(error).__name__)


async def _model(settings: Settings) -> _Model:
    """What lives long, folded, and when clients became as they are."""
    access, signing = AccessModel(), KeySet()
    secret: dict[str, dt.datetime] = {}
    disabled: dict[str, dt.datetime] = {}
    async with open_journal(settings) as journal:
        recorded, _ = await journal.read_entities()
    for each in recorded:
        fact = each.fact()
        access.apply(fact)
        signing.apply(fact)
        _note(fact, secret, disabled)
    return _Model(access, signing, Moments(secret, disabled))


def _note(fact: Fact, secret: dict[str, dt.datetime], disabled: dict[str, dt.datetime]) -> None:
    match fact.event:
        case ClientRegistered(client_id=name) | ClientSecretRotated(client_id=name):
            secret[name] = fact.recorded_at
        case ClientDisabled(client_id=name):
            disabled[name] = fact.recorded_at


async def _use(url: str, now: dt.datetime) -> _Use:
    return _Use(*await ask_use(url, now - client_use.LINGERS))


async def _nats(deployment: Deployed, monitoring: str | None) -> tuple[NatsFacts, Clock | None]:
    settings = deployment.settings
    if settings.nats_url is None:
        raise NatsUnavailable("TALLYSTICK_NATS_URL is not set")
    return await ask_nats(
        settings.nats_url, deployment.audit_nats_url, Home(settings.home), monitoring, settings.stream_replicas
    )


def _speaks_tls(deployment: Deployed) -> bool:
    """By files of the settings, or by those of `up --tls-self-signed`."""
    return deployment.settings.tls_certificate is not None or split(deployment.local_url or "").scheme == "https"


def _tls(http: HttpFacts, settings: Settings, url: str | None, now: dt.datetime) -> object:
    """Nothing where the server is asked by plain http: that is a finding on the issuer."""
    if split(http.url).scheme == "https":
        return TlsFacts(http, now)
    wanted = split(url or settings.issuer or "").scheme == "https"
    return Unseen("the issuer does not answer") if wanted else None


def _keys(model: _Model, settings: Settings, http: HttpFacts, now: dt.datetime) -> KeyFacts:
    return KeyFacts(model.keys, settings, now.timestamp(), http.jwks, http.jwks_max_age)


def _clients(model: _Model | Unseen, use: _Use | Unseen, now: dt.datetime) -> ClientFacts | Unseen:
    if isinstance(model, Unseen):
        return model
    folded = not isinstance(use, Unseen) and use.folded
    return ClientFacts(
        model=model.access,
        moments=model.moments,
        now=now,
        folded=folded,
        unused=() if isinstance(use, Unseen) else use.clients,
        unused_scopes=() if isinstance(use, Unseen) else use.scopes,
    )


def _record(lags: list[Lag], bus: tuple[NatsFacts, Clock | None] | Unseen, http: HttpFacts) -> RecordFacts:
    """The head is read after the stream, so that what is published meanwhile is not taken for too much."""
    seen = None if isinstance(bus, Unseen) or not bus[0].stream_there else bus[0]
    head = max((lag.head for lag in lags), default=0)
    return RecordFacts(
        tuple(lags), head, None if seen is None else (seen.first, seen.last, seen.deleted), http.readiness
    )


def _clocks(
    server: Clock | None,
    base: tuple[DatabaseFacts, Clock] | Unseen,
    bus: tuple[NatsFacts, Clock | None] | Unseen,
) -> list[Clock]:
    others = [each[1] for each in (base, bus) if not isinstance(each, Unseen)]
    return [each for each in (server, *others) if each is not None]


def _breached_problem(settings: Settings) -> str:
    path = settings.breached_passwords_file
    if path is None:
        return ""
    try:
        is_breached(path, "password")
    except BreachedUnreadable as error:
        return str(error)
    return ""

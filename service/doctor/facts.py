"""What is known of a deployment before it is judged: plain values, so that every check is a table of them.

A value that could not be had is `None` where that is told, and the whole an `Unseen` where nothing of it could.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from projections.access_model import AccessModel
from projections.keyset import KeySet
from service.projecting.lag import Lag
from service.settings import Settings


class Certificate(NamedTuple):
    """What a TLS server showed. `distrust` is why this machine does not trust it, empty where it does."""

    subject: str
    expires: dt.datetime
    signed_by_itself: bool
    distrust: str


class Plain(NamedTuple):
    """What plain HTTP was answered at an address: the status, None where nothing listens, and where to it redirects."""

    url: str
    status: int | None
    location: str = ""


class Part(msgspec.Struct, frozen=True):
    """How a part of the service is, `ready`, `degraded` or `unready`, and why."""

    status: str
    reason: str


class Readiness(msgspec.Struct, frozen=True):
    """What the service says of its parts."""

    parts: dict[str, Part]


class HttpFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the server said by HTTP at `url`. `issuer` is the one of the settings, without a slash at its end.

    `asked` is the address that was asked first, and `unreachable` why it did not answer, empty where it did: `url` then
    is another one of the server's. `old_tls` is the version below 1.2 that was agreed on, empty where none was and None
    where that could not be tried. `hsts` is the header's value, `jwks_max_age` in seconds. `public_metrics` is None
    where that was not seen.
    """

    url: str
    issuer: str | None
    asked: str
    unreachable: str = ""
    metadata: Mapping[str, Any] | None = None
    certificate: Certificate | None = None
    old_tls: str | None = ""
    hsts: str | None = None
    plain: tuple[Plain, ...] = ()
    public_metrics: bool | None = False
    jwks: tuple[str, ...] | None = None
    jwks_max_age: int | None = None
    readiness: Readiness | None = None


class Moments(NamedTuple):
    """When each client became as it is, by its id."""

    secret: Mapping[str, dt.datetime]
    disabled: Mapping[str, dt.datetime]


class ClientUse(NamedTuple):
    """Since when a client was not used."""

    client: str
    unused_since: dt.datetime
    last_issued: dt.datetime | None


class ScopeUse(NamedTuple):
    """Since when a client got no token with a scope that it holds."""

    client: str
    scope: str
    unused_since: dt.datetime


class ClientFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The access model and how it is used. `unused` and `unused_scopes` are of at least 90 days.

    `folded` is whether the usage figures are there to tell.
    """

    model: AccessModel
    moments: Moments
    now: dt.datetime
    folded: bool
    unused: tuple[ClientUse, ...] = ()
    unused_scopes: tuple[ScopeUse, ...] = ()


class TokenFacts(NamedTuple):
    """The lifetimes of the settings, and of the clients of an access model."""

    settings: Settings
    model: AccessModel


class KeyFacts(NamedTuple):
    """The signing keys of the journal; `published` and `max_age` are what the server says by HTTP, None if unseen."""

    keys: KeySet
    settings: Settings
    now: float
    published: tuple[str, ...] | None
    max_age: int | None


class LimitFacts(NamedTuple):
    """The limits of the settings; `breached_problem` is why the file of breached passwords cannot be used."""

    settings: Settings
    breached_problem: str


class RoleFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the service's login may do in Postgres, itself or by the roles that it is a member of."""

    name: str
    superuser: bool = False
    creates_roles: bool = False
    powers: tuple[str, ...] = ()
    owns: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


class DatabaseFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Postgres as the service's login sees it.

    `durability` are the settings that a commit's life depends on, as they are in a session of the service; `defaults`
    those that sessions begin with otherwise. `analyst_reads` are relations outside the figures that analysts may read,
    `vault_readers` logins beside the service's that may read a vault, `open_functions` whether everybody may take
    locks. `address` is that of a server on another machine, None where it is this one.
    """

    today: dt.date
    role: RoleFacts
    version: int
    durability: Mapping[str, str]
    defaults: Mapping[str, str]
    checksums: bool
    password_encryption: str
    analyst_reads: tuple[str, ...]
    vault_readers: tuple[str, ...]
    open_functions: bool
    address: str | None
    encrypted: bool
    verified: bool


class NatsFacts(msgspec.Struct, frozen=True, kw_only=True):
    """NATS as the service's user sees it.

    `host` is the address that was connected to. `sync_always` is None where it could not be seen, `sync_how` says how
    it was, or why not. `open` is whether it takes who shows no credentials. `differs` are settings of the stream that
    are not as they must be; `first`, `last` and `deleted` are its sequences. `audit_writes` is whether the user who may
    only read can write, None where there is none to try.
    """

    version: tuple[int, int]
    host: str
    encrypted: bool
    open: bool
    sync_always: bool | None
    sync_how: str
    cluster: str | None
    stream_there: bool
    differs: tuple[str, ...] = ()
    replicas: int = 1
    replicas_wanted: int = 1
    first: int = 0
    last: int = 0
    deleted: int = 0
    audit_writes: bool | None = None


class RecordFacts(NamedTuple):
    """The journal and what is made of it. `stream` are the first and last sequence of the stream and how many of its
    messages are deleted, None where it could not be seen.
    """

    lags: tuple[Lag, ...]
    head: int
    stream: tuple[int, int, int] | None
    readiness: Readiness | None


class Clock(NamedTuple):
    """How many seconds another clock is ahead of this machine's, and by how many that may be wrong."""

    name: str
    ahead: float
    within: float


class Opened(NamedTuple):
    """A file or folder that more than its owner can use, and its mode."""

    path: Path
    mode: int


class FileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Files of this machine. `open` are those with secrets that others can read; `home` the folder if it is open.

    `differing` are settings that this shell has and the running instance has not, or otherwise.
    """

    settings: Settings
    home: Opened | None = None
    master_key: Opened | None = None
    open: tuple[Opened, ...] = ()
    differing: tuple[str, ...] = ()

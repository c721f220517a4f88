"""What the simulated service knows: clients, accounts, sessions, grants, tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from schema.events import ClientSettings

OFFLINE_ACCESS = "offline_access"


@dataclass(slots=True, eq=False)
class Registered:
    """A client as the service knows it; the secret before the last works until `previous_until`."""

    settings: ClientSettings
    secret: str | None = None
    previous: str | None = None
    previous_until: float = 0.0
    enabled: bool = True

    @property
    def client_id(self) -> str:
        """Its id."""
        return self.settings.client_id

    def proves(self, secret: str | None, now: float) -> bool:
        """Whether a secret is the client's."""
        return secret == self.secret or (secret == self.previous and now < self.previous_until)


@dataclass(slots=True, eq=False)
class Account:
    """A person as the service knows them. `failed` are the moments of sign-ins that failed."""

    subject: str
    name: str
    totp: bool = False


@dataclass(slots=True, eq=False)
class Session:
    """A browser in which somebody is signed in."""

    stream: UUID
    account: Account
    auth_time: int
    expires_at: int
    amr: tuple[str, ...]
    acr: str
    ended: bool = False
    grants: list[Grant] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Grant:
    """A grant and its refresh token, as `projections.grants.Grant` folds them."""

    stream: UUID
    client_id: str
    subject: str
    scope: str
    audience: str
    grant_type: str
    person: bool = False
    revoked: bool = False
    number: int = 0
    generation: int = 0
    digests: tuple[str, ...] = ()
    previous: str | None = None
    rotated_at: int = 0
    refreshed_at: int = 0
    retries: int = 0
    expires_at: int = 0
    used_at: int = 0
    observed: set[str] = field(default_factory=set)

    @property
    def id(self) -> str:
        """The id that tokens carry."""
        return str(self.stream)

    @property
    def offline(self) -> bool:
        """Whether it goes on without the person."""
        return OFFLINE_ACCESS in self.scope


class Token(NamedTuple):
    """An access token as its holder has it, with the refresh token (a digest stands for its text) that came along."""

    grant: Grant
    number: int
    issued_at: int
    expires_at: int
    source: str
    refresh: str | None = None

    @property
    def id(self) -> str:
        """Its `jti`."""
        return f"{self.grant.stream}.{self.number}"


class Api(NamedTuple):
    """A resource and the client that introspects its tokens; `tells` whether it says where a token came from."""

    client_id: str
    uri: str
    scopes: tuple[str, ...]
    tells: bool
    addresses: tuple[str, ...]
    agent: str

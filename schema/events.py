"""Event types: what can have happened, as msgspec Structs.

Fields are append-only: a released type never loses or changes one; a new field has a default, so that the
bytes of every earlier version still decode (`tests/schema/golden/` keeps those bytes). No field holds a
secret: tokens and client secrets appear only as keyed digests (`service/tokens/digest.py`), passwords not at all.

Times are whole seconds since 1970-01-01 UTC (RFC 7519 NumericDate); scopes are space-separated strings
(RFC 6749 section 3.3); digests are base64url text.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec


class UnknownEventType(Exception):
    """The journal holds an event type that this version does not know."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of every event. `TYPE` is the name that is stored and published."""

    TYPE: ClassVar[str]


# --- the access model -------------------------------------------------------------------------------------


class ResourceRegistered(Event, frozen=True, kw_only=True):
    """An API became known by its audience URI (RFC 8707). `scopes` maps each scope to its description."""

    TYPE: ClassVar[str] = "resource.registered"
    uri: str
    scopes: dict[str, str] = {}


class ResourceUpdated(Event, frozen=True, kw_only=True):
    """The scopes of a resource were replaced."""

    TYPE: ClassVar[str] = "resource.updated"
    uri: str
    scopes: dict[str, str] = {}


class ResourceRemoved(Event, frozen=True, kw_only=True):
    """A resource is no longer known; no token is issued for it any more."""

    TYPE: ClassVar[str] = "resource.removed"
    uri: str


class RoleRegistered(Event, frozen=True, kw_only=True):
    """A role, a named gathering of scopes, became known."""

    TYPE: ClassVar[str] = "role.registered"
    name: str
    scopes: tuple[str, ...] = ()


class RoleUpdated(Event, frozen=True, kw_only=True):
    """The scopes of a role were replaced."""

    TYPE: ClassVar[str] = "role.updated"
    name: str
    scopes: tuple[str, ...] = ()


class RoleRemoved(Event, frozen=True, kw_only=True):
    """A role is no longer known, and every account that had it has it no longer."""

    TYPE: ClassVar[str] = "role.removed"
    name: str


AuthMethod = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
TokenFormat = Literal["jwt", "opaque"]


class ClientSettings(Event, frozen=True, kw_only=True):
    """What a client may do; the part that `client.registered` and `client.updated` share.

    `scopes` and `roles` say what it may ask for, `resources` for which APIs, `introspects` whose tokens it
    may look at (an API does), `jwks` the public keys of `private_key_jwt` (RFC 7517).
    """

    client_id: str
    auth_method: AuthMethod
    grants: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    introspects: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    token_format: TokenFormat = "jwt"
    access_token_lifetime: int | None = None
    jwks: tuple[dict[str, Any], ...] = ()


class ClientRegistered(ClientSettings, frozen=True, kw_only=True):
    """A client became known. `secret_digest` is there when it authenticates by a secret."""

    TYPE: ClassVar[str] = "client.registered"
    secret_digest: str | None = None


class ClientUpdated(ClientSettings, frozen=True, kw_only=True):
    """The settings of a client were replaced. Its secrets stay, unless it no longer uses one."""

    TYPE: ClassVar[str] = "client.updated"


class ClientSecretRotated(Event, frozen=True, kw_only=True):
    """A client got a new secret; the one before it works until `previous_expire_at`, older ones no more."""

    TYPE: ClassVar[str] = "client.secret_rotated"
    client_id: str
    secret_digest: str
    previous_expire_at: int


class ClientDisabled(Event, frozen=True, kw_only=True):
    """A client may not do anything, and its tokens are no longer active, until it is enabled."""

    TYPE: ClassVar[str] = "client.disabled"
    client_id: str
    reason: str = ""


class ClientEnabled(Event, frozen=True, kw_only=True):
    """A disabled client may act again."""

    TYPE: ClassVar[str] = "client.enabled"
    client_id: str


class ClientRemoved(Event, frozen=True, kw_only=True):
    """A client is no longer known; its tokens are no longer active."""

    TYPE: ClassVar[str] = "client.removed"
    client_id: str


# --- accounts ---------------------------------------------------------------------------------------------


class AccountRegistered(Event, frozen=True, kw_only=True):
    """A person became known by a name. `subject` is a generated id that is never used again, unlike the name."""

    TYPE: ClassVar[str] = "account.registered"
    subject: str
    name: str
    email: str | None = None


class AccountPasswordSet(Event, frozen=True, kw_only=True):
    """An account has a new password; older ones work no more. Its hash is in the vault alone."""

    TYPE: ClassVar[str] = "account.password_set"
    subject: str


class AccountDisabled(Event, frozen=True, kw_only=True):
    """An account may not sign in until it is enabled."""

    TYPE: ClassVar[str] = "account.disabled"
    subject: str
    reason: str = ""


class AccountEnabled(Event, frozen=True, kw_only=True):
    """A disabled account may sign in again."""

    TYPE: ClassVar[str] = "account.enabled"
    subject: str


class RoleGranted(Event, frozen=True, kw_only=True):
    """An account got a role."""

    TYPE: ClassVar[str] = "role.granted"
    subject: str
    role: str


class RoleWithdrawn(Event, frozen=True, kw_only=True):
    """An account has a role no longer."""

    TYPE: ClassVar[str] = "role.withdrawn"
    subject: str
    role: str


# --- signing keys -----------------------------------------------------------------------------------------


class KeyCreated(Event, frozen=True, kw_only=True):
    """A signing key was made; it is published from now on. `jwk` is its public half (RFC 7517)."""

    TYPE: ClassVar[str] = "key.created"
    kid: str
    alg: str
    jwk: dict[str, str]
    created_at: int
    activates_at: int


class KeyActivated(Event, frozen=True, kw_only=True):
    """A key signs from now on; the one before it stays published until `previous_retires_at`."""

    TYPE: ClassVar[str] = "key.activated"
    kid: str
    activated_at: int
    previous_retires_at: int | None = None


class KeyRetired(Event, frozen=True, kw_only=True):
    """A key is no longer published: what it signed is no longer accepted."""

    TYPE: ClassVar[str] = "key.retired"
    kid: str
    reason: Literal["expired", "operator"]


# --- tokens and grants ------------------------------------------------------------------------------------


class TokenIssued(Event, frozen=True, kw_only=True):
    """An access token was issued. Its `jti` is `<grant id>.<number>`; `digest` is there for opaque ones."""

    TYPE: ClassVar[str] = "token.issued"
    number: int
    client_id: str
    subject: str
    audience: str
    scope: str
    issued_at: int
    expires_at: int
    grant_type: str
    auth_method: AuthMethod
    format: TokenFormat
    kid: str | None = None
    digest: str | None = None
    user_agent: str | None = None


class TokenRevoked(Event, frozen=True, kw_only=True):
    """One access token is no longer active (RFC 7009)."""

    TYPE: ClassVar[str] = "token.revoked"
    number: int
    client_id: str
    reason: str


class GrantRevoked(Event, frozen=True, kw_only=True):
    """A grant and every token of it are no longer active."""

    TYPE: ClassVar[str] = "grant.revoked"
    client_id: str
    reason: str


# --- what was refused -------------------------------------------------------------------------------------


class AccessRejected(Event, frozen=True, kw_only=True):
    """A request was refused. `error` is what the caller was told, `reason` is for the audit only.

    `claimed_client` is what the caller said, shortened and cleaned; `client_id` is there where it is one of
    ours. A token appears as its id (`<grant id>.<number>`) or, unknown, as its keyed digest.
    """

    TYPE: ClassVar[str] = "access.rejected"
    endpoint: str
    error: str
    reason: str
    status: int
    client_id: str | None = None
    claimed_client: str | None = None
    token_id: str | None = None
    token_digest: str | None = None
    user_agent: str | None = None
    detail: str | None = None


EVENT_TYPES: dict[str, type[Event]] = {
    kind.TYPE: kind
    for kind in (
        ResourceRegistered,
        ResourceUpdated,
        ResourceRemoved,
        RoleRegistered,
        RoleUpdated,
        RoleRemoved,
        ClientRegistered,
        ClientUpdated,
        ClientSecretRotated,
        ClientDisabled,
        ClientEnabled,
        ClientRemoved,
        AccountRegistered,
        AccountPasswordSet,
        AccountDisabled,
        AccountEnabled,
        RoleGranted,
        RoleWithdrawn,
        KeyCreated,
        KeyActivated,
        KeyRetired,
        TokenIssued,
        TokenRevoked,
        GrantRevoked,
        AccessRejected,
    )
}

_encoder = msgspec.json.Encoder(order="deterministic")
_decoders = {name: msgspec.json.Decoder(kind) for name, kind in EVENT_TYPES.items()}


def encode(event: Event) -> bytes:
    """The event's JSON, UTF-8, with defaults left out."""
    return _encoder.encode(event)


def decode(event_type: str, data: bytes | str) -> Event:
    """The event of stored JSON.

    Raises UnknownEventType for a type of a later version, msgspec.ValidationError for JSON of another shape.
    """
    decoder = _decoders.get(event_type)
    if decoder is None:
        raise UnknownEventType(event_type)
    return decoder.decode(data)

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
SubjectType = Literal["public", "pairwise"]


class ClientSettings(Event, frozen=True, kw_only=True):
    """What a client may do; the part that `client.registered` and `client.updated` share.

    `scopes` and `roles` say what it may ask for, `resources` for which APIs, `introspects` whose tokens it
    may look at (an API does), `jwks` the public keys of `private_key_jwt` (RFC 7517). `client_name` is what people
    are shown; a `first_party` client needs no consent. With `refresh_rotation` off a refresh token stays the same.
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
    client_name: str = ""
    first_party: bool = False
    refresh_rotation: bool = True
    subject_type: SubjectType = "public"
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None


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


class AccountSignedOut(Event, frozen=True, kw_only=True):
    """Every session and every grant of an account ended; those of later are new ones."""

    TYPE: ClassVar[str] = "account.signed_out"
    subject: str
    reason: str = ""


class TotpEnrolled(Event, frozen=True, kw_only=True):
    """An account has a new authenticator app (RFC 6238), its secret in the vault alone; an older one works no more."""

    TYPE: ClassVar[str] = "account.totp_enrolled"
    subject: str


class TotpRemoved(Event, frozen=True, kw_only=True):
    """An account has no authenticator app any more."""

    TYPE: ClassVar[str] = "account.totp_removed"
    subject: str


class PasskeyAdded(Event, frozen=True, kw_only=True):
    """An account has one more passkey (WebAuthn). Id and public key (COSE) are base64url text."""

    TYPE: ClassVar[str] = "account.passkey_added"
    subject: str
    credential_id: str
    public_key: str
    label: str
    added_at: int
    sign_count: int = 0
    transports: tuple[str, ...] = ()
    aaguid: str | None = None


class PasskeyRemoved(Event, frozen=True, kw_only=True):
    """A passkey works no more."""

    TYPE: ClassVar[str] = "account.passkey_removed"
    subject: str
    credential_id: str


class RecoveryCodesSet(Event, frozen=True, kw_only=True):
    """An account has new recovery codes, here as keyed digests; older ones work no more."""

    TYPE: ClassVar[str] = "account.recovery_codes_set"
    subject: str
    digests: tuple[str, ...]


class RecoveryCodeUsed(Event, frozen=True, kw_only=True):
    """A recovery code was used up."""

    TYPE: ClassVar[str] = "account.recovery_code_used"
    subject: str
    digest: str


# --- signing in, consent, sessions ------------------------------------------------------------------------


class LoginFailed(Event, frozen=True, kw_only=True):
    """Somebody did not prove who they are. `reason` is for the audit only.

    `subject` is there where the name is one of ours; `name_digest` is the keyed digest of what was typed, for it may
    be a password. `method` is `pwd`, `otp`, `recovery` or `passkey`.
    """

    TYPE: ClassVar[str] = "login.failed"
    reason: str
    method: str
    subject: str | None = None
    name_digest: str | None = None
    client_id: str | None = None
    user_agent: str | None = None


class SessionStarted(Event, frozen=True, kw_only=True):
    """Somebody signed in; its stream is the session, whose id is the `sid` of ID tokens.

    `digest` is that of the cookie's handle. `amr` says how (RFC 8176), `acr` how strongly. `client_id` is there where
    an application sent the person.
    """

    TYPE: ClassVar[str] = "session.started"
    subject: str
    digest: str
    auth_time: int
    expires_at: int
    amr: tuple[str, ...]
    acr: str
    user_agent: str | None = None
    client_id: str | None = None


class SessionRenewed(Event, frozen=True, kw_only=True):
    """The person of a session signed in again; the cookie before this one works no more."""

    TYPE: ClassVar[str] = "session.renewed"
    subject: str
    digest: str
    auth_time: int
    expires_at: int
    amr: tuple[str, ...]
    acr: str
    user_agent: str | None = None
    client_id: str | None = None


class SessionEnded(Event, frozen=True, kw_only=True):
    """A session is over."""

    TYPE: ClassVar[str] = "session.ended"
    subject: str
    reason: str


class LogoutNotified(Event, frozen=True, kw_only=True):
    """A client was told that a session ended, or could not be told (OpenID Connect Back-Channel Logout 1.0).

    Its stream is the session's.
    """

    TYPE: ClassVar[str] = "logout.notified"
    client_id: str
    subject: str
    delivered: bool
    detail: str | None = None


class ConsentGranted(Event, frozen=True, kw_only=True):
    """A person allowed a client these scopes; they add to those allowed before."""

    TYPE: ClassVar[str] = "consent.granted"
    client_id: str
    subject: str
    scopes: tuple[str, ...]


class ConsentWithdrawn(Event, frozen=True, kw_only=True):
    """A person no longer allows a client anything; its grants from them are revoked."""

    TYPE: ClassVar[str] = "consent.withdrawn"
    client_id: str
    subject: str


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
    presented_subject: str | None = None
    refresh_digest: str | None = None
    refresh_expires_at: int | None = None


class TokenRefreshed(Event, frozen=True, kw_only=True):
    """A refresh token was used, and an access token came of it (RFC 6749 section 6).

    `generation` counts rotations of the grant's refresh token. `refresh_digest` is that of the new refresh token, and
    is not there where the old one stays. A `retry` repeats the last rotation within its grace window: it makes one more
    token of the same generation, and the first of them that is used ends the others.
    """

    TYPE: ClassVar[str] = "token.refreshed"
    number: int
    generation: int
    client_id: str
    subject: str
    audience: str
    scope: str
    issued_at: int
    expires_at: int
    auth_method: AuthMethod
    format: TokenFormat
    kid: str | None = None
    digest: str | None = None
    user_agent: str | None = None
    presented_subject: str | None = None
    used_digest: str | None = None
    refresh_digest: str | None = None
    retry: bool = False


class TokenReuseDetected(Event, frozen=True, kw_only=True):
    """A code or refresh token came that had been used before: a copy is about. `grant.revoked` follows."""

    TYPE: ClassVar[str] = "token.reuse_detected"
    client_id: str
    kind: Literal["authorization_code", "refresh_token", "device_code"]
    generation: int | None = None
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


# --- how a person gives a grant ---------------------------------------------------------------------------


class AuthorizationGranted(Event, frozen=True, kw_only=True):
    """A person let a client have a grant, and a code for it was issued (RFC 6749 section 4.1.2); first of its stream.

    `digest` is the code's, `code_challenge` that of PKCE (S256, RFC 7636), `session` the id of the session, `claims`
    the names asked for by the `claims` parameter.
    """

    TYPE: ClassVar[str] = "authorization.granted"
    client_id: str
    subject: str
    session: str
    scope: str
    resources: tuple[str, ...]
    redirect_uri: str
    code_challenge: str
    digest: str
    issued_at: int
    expires_at: int
    auth_time: int
    amr: tuple[str, ...]
    acr: str
    nonce: str | None = None
    id_token_claims: tuple[str, ...] = ()
    userinfo_claims: tuple[str, ...] = ()
    user_agent: str | None = None


class AuthorizationDenied(Event, frozen=True, kw_only=True):
    """A person did not let a client have what it asked for."""

    TYPE: ClassVar[str] = "authorization.denied"
    client_id: str
    subject: str
    scope: str
    user_agent: str | None = None


class AuthorizationRedeemed(Event, frozen=True, kw_only=True):
    """The code of a grant was exchanged for tokens; it works no more."""

    TYPE: ClassVar[str] = "authorization.redeemed"
    client_id: str


class DeviceRequested(Event, frozen=True, kw_only=True):
    """A device asked for a grant (RFC 8628 section 3.1); first of its stream. Both codes are keyed digests."""

    TYPE: ClassVar[str] = "device.requested"
    client_id: str
    scope: str
    resources: tuple[str, ...]
    digest: str
    user_code_digest: str
    issued_at: int
    expires_at: int
    user_agent: str | None = None


class DeviceApproved(Event, frozen=True, kw_only=True):
    """A person let a device have a grant."""

    TYPE: ClassVar[str] = "device.approved"
    client_id: str
    subject: str
    session: str
    scope: str
    resources: tuple[str, ...]
    approved_at: int
    auth_time: int
    amr: tuple[str, ...]
    acr: str
    user_agent: str | None = None


class DeviceDenied(Event, frozen=True, kw_only=True):
    """A person did not let a device have a grant."""

    TYPE: ClassVar[str] = "device.denied"
    client_id: str
    subject: str
    user_agent: str | None = None


class DeviceRedeemed(Event, frozen=True, kw_only=True):
    """The device code was exchanged for tokens; it works no more."""

    TYPE: ClassVar[str] = "device.redeemed"
    client_id: str


# --- what was refused -------------------------------------------------------------------------------------


class AccessRejected(Event, frozen=True, kw_only=True):
    """A request was refused. `error` is what the caller was told, `reason` is for the audit only.

    `claimed_client` is what the caller said, shortened and cleaned; `client_id` is there where it is one of
    ours. A token appears as its id (`<grant id>.<number>`) or, unknown, as its keyed digest.

    What an API refused and reported has the endpoint `api` and the API's audience as `api`; the actor is the client
    that reported it. `required_scope` and `present_scope` are what the route asked for and what the token had.
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
    api: str | None = None
    method: str | None = None
    route: str | None = None
    required_scope: str | None = None
    present_scope: str | None = None
    rejected_at: int | None = None


class ThrottledRequests(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests were refused at one endpoint for one reason.

    `status` is what they were answered: 429 where that was for the limit, else what each of them was answered for a
    reason of its own, when there were too many refusals to journal one by one.
    """

    endpoint: str
    error: str
    reason: str
    status: int
    count: int


class AccessThrottled(Event, frozen=True, kw_only=True):
    """Requests passed a limit within one window of time. They have no event of their own: this one counts them.

    `limit` is the limit that they passed. Whose it was: `network` is a source address, or the /64 network of an IPv6
    one; all three are null where the limit is for everybody, or the callers were too many to be told one by one.
    `count` is the sum of `requests`, which names the most frequent kinds.
    """

    TYPE: ClassVar[str] = "access.throttled"
    limit: str
    window_starts_at: int
    window_seconds: int
    count: int
    network: str | None = None
    client_id: str | None = None
    account: str | None = None
    requests: tuple[ThrottledRequests, ...] = ()


# --- how tokens are used ----------------------------------------------------------------------------------

AGE_BOUNDS = (60, 300, 600, 1_800, 3_600, 14_400)
"""Upper bounds, in seconds, of the ages that `IntrospectionCount.ages` counts by; what is older comes last."""


class IntrospectionCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many introspections of one kind found an active token.

    `scope` and `grant_type` are those of the token, `resource` its audience, `introspector` the client that asked.
    `ages` divides `count` by the age that the token had (`AGE_BOUNDS`, and one more for what is older).
    """

    resource: str
    scope: str
    grant_type: str
    introspector: str
    count: int
    ages: tuple[int, ...] = ()


class UsageRecorded(Event, frozen=True, kw_only=True):
    """How often a client's tokens were introspected and active within one minute, as one worker counted.

    `minute` is its first second. One worker may record a minute of a client more than once: the counts add up.
    """

    TYPE: ClassVar[str] = "usage.recorded"
    client_id: str
    minute: int
    introspections: tuple[IntrospectionCount, ...]


class TokenSourceObserved(Event, frozen=True, kw_only=True):
    """An API saw a token come from a network that neither its issuance nor an earlier observation of its grant names.

    `source` is the address that the API told (RFC 7662 section 2.1), `issued_from` the one that the token was issued
    to, `introspector` the client that told it.
    """

    TYPE: ClassVar[str] = "token.source_observed"
    client_id: str
    subject: str
    token_id: str
    introspector: str
    source: str
    issued_from: str | None = None
    user_agent: str | None = None


class AuditRead(Event, frozen=True, kw_only=True):
    """Somebody read the audit log over HTTP: a `page` of events up to `last`, or a `stream` that begins after `after`.

    `filters` are those asked for, as text.
    """

    TYPE: ClassVar[str] = "audit.read"
    client_id: str
    subject: str
    via: Literal["page", "stream"]
    after: int
    last: int | None = None
    count: int = 0
    filters: dict[str, str] = {}


# --- webhooks ---------------------------------------------------------------------------------------------


class WebhookSettings(Event, frozen=True, kw_only=True):
    """Where events are sent by HTTP; the part that `webhook.registered` and `webhook.updated` share.

    `types` are shell globs of event types (none: all), `clients` client ids (none: all).
    """

    name: str
    url: str
    types: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()


class WebhookRegistered(WebhookSettings, frozen=True, kw_only=True):
    """A webhook became known; it is sent the events after the position `after`. Its secret is in the vault alone."""

    TYPE: ClassVar[str] = "webhook.registered"
    after: int = 0


class WebhookUpdated(WebhookSettings, frozen=True, kw_only=True):
    """The settings of a webhook were replaced."""

    TYPE: ClassVar[str] = "webhook.updated"


class WebhookSecretRotated(Event, frozen=True, kw_only=True):
    """A webhook has a new secret; what is sent is also signed by the one before it until `previous_expire_at`."""

    TYPE: ClassVar[str] = "webhook.secret_rotated"
    name: str
    previous_expire_at: int


class WebhookDisabled(Event, frozen=True, kw_only=True):
    """A webhook is sent nothing until it is enabled; nothing is lost meanwhile."""

    TYPE: ClassVar[str] = "webhook.disabled"
    name: str
    reason: str = ""


class WebhookEnabled(Event, frozen=True, kw_only=True):
    """A disabled webhook is sent events again, from where it was left."""

    TYPE: ClassVar[str] = "webhook.enabled"
    name: str


class WebhookRemoved(Event, frozen=True, kw_only=True):
    """A webhook is no longer known."""

    TYPE: ClassVar[str] = "webhook.removed"
    name: str


# --- anomalies --------------------------------------------------------------------------------------------

Severity = Literal["low", "medium", "high", "critical"]
Response = Literal["revoke_grant", "disable_client", "require_sign_in"]


class Finding(Event, frozen=True, kw_only=True):
    """What a rule found; the part that `anomaly.detected` and `anomaly.extended` share. Its stream is the finding.

    `technique` is one of MITRE ATT&CK, such as `T1110.003`. `about` names the one thing that it is about, such as
    `source 192.0.2.7`; `client_id`, `subject` and `grant_id` are there where it is about one of them. `summary` is a
    sentence for people. `count` events speak for it, from `first_at` to `last_at`; `evidence` are positions of some of
    them, the first and the latest, and `sources` addresses that they came from.
    """

    rule: str
    severity: Severity
    technique: str
    about: str
    summary: str
    first_at: int
    last_at: int
    count: int
    evidence: tuple[int, ...]
    sources: tuple[str, ...] = ()
    client_id: str | None = None
    subject: str | None = None
    grant_id: str | None = None


class AnomalyDetected(Finding, frozen=True, kw_only=True):
    """A rule found something new."""

    TYPE: ClassVar[str] = "anomaly.detected"


class AnomalyExtended(Finding, frozen=True, kw_only=True):
    """What a rule found goes on; the fields are those of all of it."""

    TYPE: ClassVar[str] = "anomaly.extended"


class AnomalyAnswered(Event, frozen=True, kw_only=True):
    """What was done about a finding by policy; the event of the deed itself has the rule as its actor.

    `target` is the grant, client or subject; without `done`, `detail` says why it was not.
    """

    TYPE: ClassVar[str] = "anomaly.answered"
    rule: str
    response: Response
    target: str
    done: bool
    detail: str = ""
    client_id: str | None = None


class AnomalyAcknowledged(Event, frozen=True, kw_only=True):
    """A person has seen a finding; what the rule sees of the same thing from now on is a new one."""

    TYPE: ClassVar[str] = "anomaly.acknowledged"
    rule: str
    note: str = ""
    client_id: str | None = None
    about: str = ""


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
        AccountSignedOut,
        TotpEnrolled,
        TotpRemoved,
        PasskeyAdded,
        PasskeyRemoved,
        RecoveryCodesSet,
        RecoveryCodeUsed,
        RoleGranted,
        RoleWithdrawn,
        LoginFailed,
        SessionStarted,
        SessionRenewed,
        SessionEnded,
        LogoutNotified,
        ConsentGranted,
        ConsentWithdrawn,
        KeyCreated,
        KeyActivated,
        KeyRetired,
        TokenIssued,
        TokenRefreshed,
        TokenReuseDetected,
        TokenRevoked,
        GrantRevoked,
        AuthorizationGranted,
        AuthorizationDenied,
        AuthorizationRedeemed,
        DeviceRequested,
        DeviceApproved,
        DeviceDenied,
        DeviceRedeemed,
        AccessRejected,
        AccessThrottled,
        UsageRecorded,
        TokenSourceObserved,
        AuditRead,
        WebhookRegistered,
        WebhookUpdated,
        WebhookSecretRotated,
        WebhookDisabled,
        WebhookEnabled,
        WebhookRemoved,
        AnomalyDetected,
        AnomalyExtended,
        AnomalyAnswered,
        AnomalyAcknowledged,
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

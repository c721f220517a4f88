"""Grants and their tokens: what introspection, redemption and refresh answer from."""

from __future__ import annotations

from collections.abc import Iterable
from sys import intern

import msgspec

from schema import events
from schema.envelope import Fact

_REFRESHED = "refresh_token"


class Token(msgspec.Struct, gc=False):
    """An access token of a grant. Times are in seconds; `digest` is there for opaque tokens.

    `subject` is what the token says, which is a pairwise one where the client has those. `source` is the address that
    it was issued to.
    """

    client_id: str
    subject: str
    audience: str
    scope: str
    issued_at: int
    expires_at: int
    digest: str | None
    grant_type: str
    source: str | None
    revoked: bool = False


class Person(msgspec.Struct, frozen=True):
    """Who gave a grant, to which client, for what, and how they had signed in. `session` is a session's id, `position`
    that of the event by which they gave it.
    """

    client_id: str
    subject: str
    session: str
    scope: str
    resources: tuple[str, ...]
    auth_time: int
    amr: tuple[str, ...]
    acr: str
    nonce: str | None = None
    id_token_claims: tuple[str, ...] = ()
    userinfo_claims: tuple[str, ...] = ()
    position: int = 0


class Code(msgspec.Struct, frozen=True):
    """An authorization code, by its keyed digest, and what it is bound to."""

    digest: str
    expires_at: int
    redirect_uri: str
    code_challenge: str
    redeemed: bool = False


class Device(msgspec.Struct, frozen=True):
    """A device's request (RFC 8628), by the keyed digests of its two codes. Approved once the grant has a person."""

    client_id: str
    scope: str
    resources: tuple[str, ...]
    digest: str
    user_code_digest: str
    expires_at: int
    denied: bool = False
    redeemed: bool = False


class Refresh(msgspec.Struct, frozen=True):
    """A grant's refresh token. Times are in seconds.

    `digests` are the tokens of the current generation: one, or more where a rotation was retried within its grace
    window; the first that is used ends the others. `previous` is the token whose use made them.
    """

    digests: tuple[str, ...]
    expires_at: int
    used_at: int
    generation: int = 0
    previous: str | None = None
    rotated_at: int = 0
    retries: int = 0


class Grant(msgspec.Struct, weakref=True):
    """A grant: the version of its stream, its tokens by number, and whether all of it is revoked.

    `position` is that of its first event. Tokens that expired before the last refresh are forgotten; their numbers
    are up to `last_number`.
    """

    version: int = 0
    position: int = 0
    revoked: bool = False
    tokens: dict[int, Token] = {}
    last_number: int = 0
    person: Person | None = None
    code: Code | None = None
    device: Device | None = None
    refresh: Refresh | None = None

    def active(self, number: int, now: float) -> bool:
        """Whether a token of this grant is neither revoked nor expired."""
        token = self.tokens.get(number)
        return token is not None and not self.revoked and not token.revoked and token.expires_at > now

    def apply(self, fact: Fact) -> None:
        """Fold one event of this grant's stream; one that was folded before changes nothing."""
        if fact.version <= self.version:
            return
        if not self.version:
            self.position = fact.position
        match fact.event:
            case events.TokenIssued() as issued:
                self._issued(issued, fact.source)
            case events.TokenRefreshed() as refreshed:
                self._refreshed(refreshed, fact.source)
            case events.TokenRevoked() as revoked:
                self.tokens[revoked.number].revoked = True
            case events.GrantRevoked():
                self.revoked = True
            case other:
                self._begun(other, fact.position)
        self.version = fact.version

    @property
    def until(self) -> int:
        """The moment, in seconds, from which no token, code or refresh token of it is alive by its own lifetime."""
        ends = [token.expires_at for token in self.tokens.values()]
        if not self.revoked:
            ends += [part.expires_at for part in (self.refresh, self.code, self.device) if part is not None]
        return max(ends, default=0)

    def _begun(self, event: events.Event, position: int) -> None:
        match event:
            case events.AuthorizationGranted() as granted:
                self.person = msgspec.structs.replace(
                    _person(granted, position),
                    nonce=granted.nonce,
                    id_token_claims=granted.id_token_claims,
                    userinfo_claims=granted.userinfo_claims,
                )
                self.code = _code(granted)
            case events.AuthorizationRedeemed() if self.code is not None:
                self.code = msgspec.structs.replace(self.code, redeemed=True)
            case events.DeviceRequested() as requested:
                self.device = _device(requested)
            case events.DeviceApproved() as approved:
                self.person = _person(approved, position)
            case events.DeviceDenied() if self.device is not None:
                self.device = msgspec.structs.replace(self.device, denied=True)
            case events.DeviceRedeemed() if self.device is not None:
                self.device = msgspec.structs.replace(self.device, redeemed=True)

    def _issued(self, issued: events.TokenIssued, source: str | None) -> None:
        self.tokens[issued.number] = _token(issued, issued.grant_type, source)
        self.last_number = issued.number
        if issued.refresh_digest is not None:
            self.refresh = Refresh(
                digests=(issued.refresh_digest,),
                expires_at=issued.refresh_expires_at or 0,
                used_at=issued.issued_at,
            )

    def _refreshed(self, refreshed: events.TokenRefreshed, source: str | None) -> None:
        now = refreshed.issued_at
        for number in [number for number, token in self.tokens.items() if token.expires_at <= now]:
            del self.tokens[number]
        self.tokens[refreshed.number] = _token(refreshed, _REFRESHED, source)
        self.last_number = refreshed.number
        if self.refresh is not None:
            self.refresh = _rotated(self.refresh, refreshed)


def fold_grant(facts: Iterable[Fact]) -> Grant:
    """The grant that a stream's events make; its version is 0 if there are none."""
    grant = Grant()
    for fact in facts:
        grant.apply(fact)
    return grant


def _rotated(before: Refresh, refreshed: events.TokenRefreshed) -> Refresh:
    if refreshed.refresh_digest is None:
        return msgspec.structs.replace(before, used_at=refreshed.issued_at)
    if refreshed.retry:
        return msgspec.structs.replace(
            before, digests=(*before.digests, refreshed.refresh_digest), retries=before.retries + 1
        )
    return Refresh(
        digests=(refreshed.refresh_digest,),
        expires_at=before.expires_at,
        used_at=refreshed.issued_at,
        generation=refreshed.generation,
        previous=refreshed.used_digest,
        rotated_at=refreshed.issued_at,
    )


def _token(event: events.TokenIssued | events.TokenRefreshed, grant_type: str, source: str | None) -> Token:
    return Token(
        client_id=event.client_id,
        subject=event.presented_subject or event.subject,
        audience=event.audience,
        scope=event.scope,
        issued_at=event.issued_at,
        expires_at=event.expires_at,
        digest=event.digest,
        grant_type=intern(grant_type),  # a million tokens share a few of these
        source=None if source is None else intern(source),
    )


def _person(given: events.AuthorizationGranted | events.DeviceApproved, position: int) -> Person:
    return Person(
        client_id=given.client_id,
        subject=given.subject,
        session=given.session,
        scope=given.scope,
        resources=given.resources,
        auth_time=given.auth_time,
        amr=given.amr,
        acr=given.acr,
        position=position,
    )


def _code(granted: events.AuthorizationGranted) -> Code:
    return Code(
        digest=granted.digest,
        expires_at=granted.expires_at,
        redirect_uri=granted.redirect_uri,
        code_challenge=granted.code_challenge,
    )


def _device(requested: events.DeviceRequested) -> Device:
    return Device(
        client_id=requested.client_id,
        scope=requested.scope,
        resources=requested.resources,
        digest=requested.digest,
        user_code_digest=requested.user_code_digest,
        expires_at=requested.expires_at,
    )

"""The token and revocation endpoints of the simulated service.

What is decided is what `service/decisions/` decides; how a request is refused, and in which words, is in
`docs/rejections.md`.
"""

from __future__ import annotations

from typing import Any

from benchmarks.detection.sim.access import Access
from benchmarks.detection.sim.places import Caller
from benchmarks.detection.sim.state import Grant, Registered, Token
from schema.events import (
    AuthorizationRedeemed,
    DeviceRedeemed,
    Event,
    GrantRevoked,
    TokenIssued,
    TokenRefreshed,
    TokenReuseDetected,
)

LIFETIME = 600
_REFRESH_LIFETIME = 2_592_000
_IDLE_LIFETIME = 1_209_600
_GRACE = 10
_GRACE_RETRIES = 5
_KID = "k1"


class TokenEndpoint:
    """Issues, refreshes and revokes. Who presents a refresh token presents its digest, which stands for its text."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._ledger = access.ledger
        self._schedule = access.schedule

    def client_credentials(
        self, client_id: str, secret: str | None, scopes: tuple[str, ...], caller: Caller, resource: str | None = None
    ) -> Token | None:
        """RFC 6749 section 4.4. None where it is refused."""
        client = self._access.authenticate("token", client_id, secret, caller)
        if client is None:
            return None
        audience = resource or client.settings.resources[0]
        if not self._allows(client, "client_credentials", scopes, audience, caller):
            return None
        stream = self._ledger.stream()
        grant = Grant(stream, client_id, client_id, " ".join(sorted(scopes)), audience, "client_credentials")
        return self._issue(grant, client, caller)

    def redeem(self, grant: Grant, secret: str | None, caller: Caller) -> Token | None:
        """Exchange the code of a grant that a person gave. None where it is refused."""
        client = self._access.authenticate("token", grant.client_id, secret, caller)
        if client is None:
            return None
        if grant.number:
            self._reused(grant, "authorization_code", "code_reused", caller)
            return None
        done: Event = AuthorizationRedeemed(client_id=client.client_id)
        if grant.grant_type != "authorization_code":
            done = DeviceRedeemed(client_id=client.client_id)
        self._ledger.write(grant.stream, done, caller.source)
        return self._issue(grant, client, caller)

    def refresh(self, grant: Grant, digest: str | None, secret: str | None, caller: Caller) -> Token | None:
        """RFC 6749 section 6, with rotation. None where it is refused."""
        client = self._access.authenticate("token", grant.client_id, secret, caller)
        if client is None or digest is None:
            return None
        now = int(self._schedule.now)
        use = _use_of(grant, digest, now)
        if use == "reuse" and not grant.revoked:
            self._reused(grant, "refresh_token", "refresh_token_reused", caller)
            return None
        reason = _over(grant, now)
        if reason is not None:
            self._refuse_grant(grant, reason, caller)
            return None
        return self._rotate(grant, client, digest, caller, retry=use == "retry")

    def revoke(self, grant: Grant, secret: str | None, caller: Caller) -> None:
        """RFC 7009, by the refresh token of a grant."""
        client = self._access.authenticate("revoke", grant.client_id, secret, caller)
        if client is None:
            return
        if grant.revoked:
            who, token_id = grant.client_id, f"{grant.id}.0"
            refuse = self._access.refuse
            refuse("revoke", "inactive_token", "token_revoked", caller, client_id=who, token_id=token_id)
            return
        self.end(grant, "client_request", caller.source)

    def end(self, grant: Grant, reason: str, source: str | None) -> None:
        """Revoke a grant, unless it was before."""
        if not grant.revoked:
            grant.revoked = True
            self._ledger.write(grant.stream, GrantRevoked(client_id=grant.client_id, reason=reason), source)

    def _allows(
        self, client: Registered, grant_type: str, scopes: tuple[str, ...], audience: str, caller: Caller
    ) -> bool:
        settings, refuse = client.settings, self._access.refuse
        who = settings.client_id
        if grant_type not in settings.grants:
            refuse("token", "unauthorized_client", "grant_not_allowed", caller, client_id=who, detail=grant_type)
        elif audience not in settings.resources:
            reason = "resource_not_allowed" if audience in self._access.apis else "unknown_resource"
            refuse("token", "invalid_target", reason, caller, client_id=who, detail=audience)
        elif too_much := set(scopes) - (set(settings.scopes) & set(self._access.apis[audience].scopes)):
            detail = " ".join(sorted(too_much))
            refuse("token", "invalid_scope", "scope_not_allowed", caller, client_id=who, detail=detail)
        else:
            return True
        return False

    def _issue(self, grant: Grant, client: Registered, caller: Caller) -> Token:
        now = int(self._schedule.now)
        refresh = None
        grant.number, grant.refreshed_at = 1, now
        if grant.person and grant.offline and "refresh_token" in client.settings.grants:
            refresh = self._ledger.digest()
            grant.digests, grant.used_at, grant.expires_at = (refresh,), now, now + _REFRESH_LIFETIME
        issued = TokenIssued(
            **self._told(grant, client, caller, now),
            grant_type=grant.grant_type,
            refresh_digest=refresh,
            refresh_expires_at=grant.expires_at if refresh else None,
        )
        self._ledger.write(grant.stream, issued, caller.source)
        return Token(grant, 1, now, issued.expires_at, caller.source, refresh)

    def _rotate(self, grant: Grant, client: Registered, digest: str, caller: Caller, *, retry: bool) -> Token:
        now, fresh = int(self._schedule.now), self._ledger.digest()
        grant.number += 1
        grant.refreshed_at = grant.used_at = now
        if retry:
            grant.digests, grant.retries = (*grant.digests, fresh), grant.retries + 1
        else:
            grant.digests, grant.previous, grant.rotated_at, grant.retries = (fresh,), digest, now, 0
            grant.generation += 1
        refreshed = TokenRefreshed(
            **self._told(grant, client, caller, now),
            generation=grant.generation,
            used_digest=digest,
            refresh_digest=fresh,
            retry=retry,
        )
        self._ledger.write(grant.stream, refreshed, caller.source)
        return Token(grant, grant.number, now, refreshed.expires_at, caller.source, fresh)

    def _told(self, grant: Grant, client: Registered, caller: Caller, now: int) -> dict[str, Any]:
        settings = client.settings
        opaque = settings.token_format == "opaque"
        return {
            "number": grant.number,
            "client_id": grant.client_id,
            "subject": grant.subject,
            "audience": grant.audience,
            "scope": grant.scope,
            "issued_at": now,
            "expires_at": now + (settings.access_token_lifetime or LIFETIME),
            "auth_method": settings.auth_method,
            "format": settings.token_format,
            "kid": None if opaque else _KID,
            "digest": self._ledger.digest() if opaque else None,
            "user_agent": caller.agent,
        }

    def _reused(self, grant: Grant, kind: Any, reason: str, caller: Caller) -> None:
        """`token.reuse_detected`, `grant.revoked`, then the refusal (`service/grants/reuse.py`)."""
        generation = grant.generation if kind == "refresh_token" else None
        detected = TokenReuseDetected(
            client_id=grant.client_id, kind=kind, generation=generation, user_agent=caller.agent
        )
        self._ledger.write(grant.stream, detected, caller.source)
        self.end(grant, reason, caller.source)
        self._refuse_grant(grant, reason, caller)

    def _refuse_grant(self, grant: Grant, reason: str, caller: Caller) -> None:
        token_id = f"{grant.id}.0"
        self._access.refuse("token", "invalid_grant", reason, caller, client_id=grant.client_id, token_id=token_id)


def _over(grant: Grant, now: int) -> str | None:
    """Why a refresh token works no more, in the words of `docs/rejections.md`."""
    if grant.revoked:
        return "grant_revoked"
    if grant.expires_at <= now:
        return "refresh_token_expired"
    return "refresh_token_idle" if grant.used_at + _IDLE_LIFETIME <= now else None


def _use_of(grant: Grant, digest: str, now: int) -> str:
    if digest in grant.digests:
        return "rotate"
    in_grace = now < grant.rotated_at + _GRACE and grant.retries < _GRACE_RETRIES
    return "retry" if digest == grant.previous and in_grace else "reuse"

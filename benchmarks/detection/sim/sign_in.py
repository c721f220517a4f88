"""Signing in, sessions and consent at the simulated service."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections import defaultdict, deque

from benchmarks.detection.sim.access import Access
from benchmarks.detection.sim.places import Caller
from benchmarks.detection.sim.state import Account, Grant, Session
from benchmarks.detection.sim.tokens import TokenEndpoint
from projections.login_failures import network_of
from schema.events import (
    AccountPasswordSet,
    AccountRegistered,
    AuthorizationGranted,
    ConsentGranted,
    DeviceApproved,
    DeviceRequested,
    LoginFailed,
    SessionEnded,
    SessionStarted,
)
from schema.streams import account_stream, consent_stream

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_SESSION_LIFETIME = 43_200
_WINDOW = 900
_PER_ACCOUNT = 10
_PER_SOURCE = 50


class SignIn:
    """The pages where people sign in and allow applications things."""

    def __init__(self, access: Access, tokens: TokenEndpoint) -> None:
        self._access = access
        self._tokens = tokens
        self._ledger = access.ledger
        self._schedule = access.schedule
        self._failed: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_PER_SOURCE))
        self._consents: set[tuple[str, str]] = set()
        self._sessions: defaultdict[str, list[Session]] = defaultdict(list)
        self.accounts: dict[str, Account] = {}

    def add_account(self, name: str, *, totp: bool) -> Account:
        """A person becomes known."""
        account = self.accounts[name] = Account(str(self._ledger.stream()), name, totp)
        self._ledger.write(account_stream(name), AccountRegistered(subject=account.subject, name=name))
        self._ledger.write(account_stream(name), AccountPasswordSet(subject=account.subject))
        return account

    def attempt(
        self, name: str, caller: Caller, client_id: str | None, *, right: bool, code_right: bool = True
    ) -> Session | None:
        """Type a name and a password, and a code where the account has an app for it. None where it is refused."""
        account = self.accounts.get(name)
        key = account.subject if account else _name_digest(name)
        throttled = self._throttled(key, caller)
        if throttled:
            error, reason = "too_many_attempts", "login_throttled"
            self._access.refuse("sign_in", error, reason, caller, client_id=client_id, detail=throttled, status=429)
        elif account is None:
            self._fail(key, caller, "unknown_name", "pwd", client_id, None)
        elif not right:
            self._fail(key, caller, "wrong_password", "pwd", client_id, account)
        elif account.totp and not code_right:
            self._fail(key, caller, "wrong_otp", "otp", client_id, account)
        else:
            return self._start(account, caller, client_id)
        return None

    def authorize(self, session: Session, client_id: str, scopes: tuple[str, ...], caller: Caller) -> Grant:
        """A person lets a client have a grant; they are asked once."""
        settings, now = self._access.clients[client_id].settings, int(self._schedule.now)
        subject = session.account.subject
        self._consent(subject, client_id, scopes, caller)
        scope, stream = " ".join(sorted(scopes)), self._ledger.stream()
        grant = Grant(stream, client_id, subject, scope, settings.resources[0], "authorization_code", person=True)
        granted = AuthorizationGranted(
            client_id=client_id,
            subject=subject,
            session=str(session.stream),
            scope=scope,
            resources=settings.resources[:1],
            redirect_uri=settings.redirect_uris[0],
            code_challenge=self._ledger.digest(),
            digest=self._ledger.digest(),
            issued_at=now,
            expires_at=now + 60,
            auth_time=session.auth_time,
            amr=session.amr,
            acr=session.acr,
            user_agent=caller.agent,
        )
        self._ledger.write(grant.stream, granted, caller.source)
        session.grants.append(grant)
        return grant

    def ask_device(self, client_id: str, scopes: tuple[str, ...], caller: Caller) -> Grant:
        """A device asks for a grant (RFC 8628); nobody has given it yet."""
        resources, now = self._access.clients[client_id].settings.resources, int(self._schedule.now)
        grant = Grant(self._ledger.stream(), client_id, "", " ".join(sorted(scopes)), resources[0], DEVICE_CODE)
        requested = DeviceRequested(
            client_id=client_id,
            scope=grant.scope,
            resources=resources,
            digest=self._ledger.digest(),
            user_code_digest=self._ledger.digest(),
            issued_at=now,
            expires_at=now + 600,
            user_agent=caller.agent,
        )
        self._ledger.write(grant.stream, requested, caller.source)
        return grant

    def approve_device(self, session: Session, grant: Grant, caller: Caller) -> None:
        """A person lets a device have a grant."""
        grant.subject, grant.person = session.account.subject, True
        self._consent(grant.subject, grant.client_id, tuple(grant.scope.split(" ")), caller)
        approved = DeviceApproved(
            client_id=grant.client_id,
            subject=grant.subject,
            session=str(session.stream),
            scope=grant.scope,
            resources=(grant.audience,),
            approved_at=int(self._schedule.now),
            auth_time=session.auth_time,
            amr=session.amr,
            acr=session.acr,
            user_agent=caller.agent,
        )
        self._ledger.write(grant.stream, approved, caller.source)

    def end(self, session: Session, reason: str, source: str | None) -> None:
        """A session is over, and the grants that hang on it."""
        if session.ended:
            return
        session.ended = True
        for grant in session.grants:
            if not grant.offline and grant.number:
                self._tokens.end(grant, "session_ended", source)
        self._ledger.write(session.stream, SessionEnded(subject=session.account.subject, reason=reason), source)

    def change_password(self, account: Account, source: str) -> None:
        """A new password, which ends all sessions."""
        self._ledger.write(account_stream(account.name), AccountPasswordSet(subject=account.subject), source)
        for session in self._sessions.pop(account.subject, []):
            self.end(session, "account_password_set", None)

    def _consent(self, subject: str, client_id: str, scopes: tuple[str, ...], caller: Caller) -> None:
        if self._access.clients[client_id].settings.first_party or (subject, client_id) in self._consents:
            return
        self._consents.add((subject, client_id))
        event = ConsentGranted(client_id=client_id, subject=subject, scopes=tuple(sorted(scopes)))
        self._ledger.write(consent_stream(subject, client_id), event, caller.source)

    def _start(self, account: Account, caller: Caller, client_id: str | None) -> Session:
        now = int(self._schedule.now)
        amr, acr = (("pwd", "otp"), "2fa") if account.totp else (("pwd",), "1fa")
        session = Session(self._ledger.stream(), account, now, now + _SESSION_LIFETIME, amr, acr)
        started = SessionStarted(
            subject=account.subject,
            digest=self._ledger.digest(),
            auth_time=now,
            expires_at=session.expires_at,
            amr=amr,
            acr=acr,
            user_agent=caller.agent,
            client_id=client_id,
        )
        self._ledger.write(session.stream, started, caller.source)
        kept = [known for known in self._sessions[account.subject] if known.expires_at > now]
        self._sessions[account.subject] = [*kept, session]
        return session

    def _throttled(self, key: str, caller: Caller) -> str | None:
        since = self._schedule.now - _WINDOW
        source = network_of(caller.source)
        for place, limit in ((f"account {key}", _PER_ACCOUNT), (f"source {source}", _PER_SOURCE)):
            failed = self._failed.get(place)
            if failed is not None and sum(moment > since for moment in failed) >= limit:
                return place
        return None

    def _fail(
        self, key: str, caller: Caller, reason: str, method: str, client_id: str | None, account: Account | None
    ) -> None:
        for place in (f"account {key}", f"source {network_of(caller.source)}"):
            self._failed[place].append(self._schedule.now)
        failed = LoginFailed(
            reason=reason,
            method=method,
            subject=account.subject if account else None,
            name_digest=None if account else key,
            client_id=client_id,
            user_agent=caller.agent,
        )
        self._ledger.alone(failed, caller.source)


def _name_digest(name: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(name.encode()).digest()).rstrip(b"=").decode()

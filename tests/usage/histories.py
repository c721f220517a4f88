"""Histories with figures in them: everything that is counted, at times that go on, jump, and sometimes go back."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from schema import events
from schema.envelope import Fact
from schema.streams import client_stream, derived_stream, resource_stream, role_stream

BEGIN = 1_767_225_540
"""2025-12-31 23:59:00 UTC: a minute before an hour, a day, a month and a year begin."""
CLIENTS = ("web", "worker")
RESOURCES = ("https://a.example.com", "https://b.example.com")
SCOPES = ("read write", "write read", "read", "")
SOURCES = (None, "192.0.2.7", "192.0.2.8", "2001:db8::1", "not an address")
PEOPLE = ("zoe", "yan")
_STEPS = (0, 1, 30, 59, 60, 3_600, 7_300, 90_000, -45, -4_000, -20_000)
_KINDS = ("issue", "issue", "refresh", "refresh", "revoke", "end", "reuse", "reject", "count", "sign_in", "model")


def moment(second: float) -> dt.datetime:
    """A time by its seconds since 1970."""
    return dt.datetime.fromtimestamp(second, dt.UTC)


class Telling:
    """Writes a history, fact by fact. `now` is in seconds since 1970."""

    def __init__(self, now: float = BEGIN) -> None:
        self.now = now
        self.facts: list[Fact] = []
        self._versions: Counter[UUID] = Counter()

    def tell(self, stream: UUID, event: events.Event, source: str | None = None) -> None:
        """The next event of a stream, now."""
        self._versions[stream] += 1
        place, version = len(self.facts) + 1, self._versions[stream]
        self.facts.append(Fact(place, stream, version, event, moment(self.now), source))

    def alone(self, event: events.Event, source: str | None = None) -> None:
        """An event with a stream of its own."""
        self.tell(derived_stream(BEGIN * 1_000, f"alone {len(self.facts)}"), event, source)


def token(now: float, client: str, subject: str, resource: str, scope: str, number: int = 1) -> dict[str, Any]:
    """What tokens of both kinds have in common; one lives for ten minutes."""
    return {
        "number": number,
        "client_id": client,
        "subject": subject,
        "audience": resource,
        "scope": scope,
        "issued_at": int(now),
        "expires_at": int(now) + 600,
        "auth_method": "client_secret_basic",
        "format": "jwt",
    }


@st.composite
def usage_histories(draw: st.DrawFn) -> list[Fact]:
    """Some grants of each kind with all that can come of them, refusals, introspections, sign-ins, and the model."""
    telling = Telling()
    grants: list[_Grant] = []
    for _ in range(draw(st.integers(0, 40))):
        telling.now += draw(st.sampled_from(_STEPS)) + draw(st.sampled_from((0, 0.25)))
        kind = draw(st.sampled_from(_KINDS))
        if kind in {"refresh", "revoke", "end", "reuse"}:
            grant = draw(st.sampled_from(grants)) if grants else None
            if grant is not None:
                grant.go_on(telling, kind, draw)
        elif kind == "issue":
            grants.append(_Grant(telling, len(grants), draw))
        else:
            _ALONE[kind](telling, draw)
    return telling.facts


class _Grant:
    """A grant: by a client itself, by a code, or by a device that asked for two resources and got no token yet."""

    def __init__(self, telling: Telling, number: int, draw: st.DrawFn) -> None:
        self.stream = derived_stream(BEGIN * 1_000, f"grant {number}")
        self.client = draw(st.sampled_from(CLIENTS))
        self.resource, self.scope = draw(st.sampled_from(RESOURCES)), draw(st.sampled_from(SCOPES))
        self.kind = draw(st.sampled_from(("client_credentials", "authorization_code", "authorization_code", "device")))
        self.subject = self.client if self.kind == "client_credentials" else draw(st.sampled_from(PEOPLE))
        self.tokens = self.generation = 0
        self._begin(telling, draw)

    def _begin(self, telling: Telling, draw: st.DrawFn) -> None:
        asked: dict[str, Any] = {"client_id": self.client, "scope": self.scope}
        lived: dict[str, Any] = {"issued_at": int(telling.now), "expires_at": int(telling.now) + 60}
        if self.kind == "device":
            codes: dict[str, Any] = {"digest": "d", "user_code_digest": "u"}
            event = events.DeviceRequested(**asked, **lived, **codes, resources=RESOURCES)
            telling.tell(self.stream, event)
            return
        if self.kind == "authorization_code":
            proven: dict[str, Any] = {"subject": self.subject, "session": "s", "auth_time": 1, "amr": (), "acr": "1fa"}
            bound: dict[str, Any] = {"redirect_uri": "x", "code_challenge": "c", "digest": "d"}
            resources = (self.resource,)
            granted = events.AuthorizationGranted(**asked, **lived, **proven, **bound, resources=resources)
            telling.tell(self.stream, granted)
            if draw(st.booleans()):
                return
        self._issue(telling, draw)

    def _issue(self, telling: Telling, draw: st.DrawFn) -> None:
        self.tokens += 1
        refresh = "r" if self.kind == "authorization_code" and draw(st.booleans()) else None
        common = token(telling.now, self.client, self.subject, self.resource, self.scope, self.tokens)
        until = int(telling.now) + 9_000 if refresh else None
        event = events.TokenIssued(**common, grant_type=self.kind, refresh_digest=refresh, refresh_expires_at=until)
        telling.tell(self.stream, event, draw(st.sampled_from(SOURCES)))

    def go_on(self, telling: Telling, kind: str, draw: st.DrawFn) -> None:
        if kind == "refresh" and self.kind == "authorization_code" and self.tokens:
            retry = bool(self.generation) and draw(st.booleans())
            self.generation += not retry
            self.tokens += 1
            common = token(telling.now, self.client, self.subject, self.resource, self.scope, self.tokens)
            event = events.TokenRefreshed(**common, generation=self.generation, retry=retry, refresh_digest="r")
            telling.tell(self.stream, event, draw(st.sampled_from(SOURCES)))
        elif kind == "revoke" and self.tokens:
            number = draw(st.integers(1, self.tokens))
            revoked = events.TokenRevoked(number=number, client_id=self.client, reason="client_request")
            telling.tell(self.stream, revoked)
        elif kind == "end":
            reason = draw(st.sampled_from(("session_ended", "consent_withdrawn")))
            telling.tell(self.stream, events.GrantRevoked(client_id=self.client, reason=reason))
        elif kind == "reuse":
            telling.tell(self.stream, events.TokenReuseDetected(client_id=self.client, kind="refresh_token"))
            telling.tell(self.stream, events.GrantRevoked(client_id=self.client, reason="refresh_token_reused"))


def _reject(telling: Telling, draw: st.DrawFn) -> None:
    endpoint, error, reason = draw(
        st.sampled_from(
            (
                ("token", "invalid_client", "bad_secret"),
                ("introspect", "inactive_token", "token_expired"),
                ("revoke", "inactive_token", "token_expired"),
                ("sign_in", "too_many_attempts", "login_throttled"),
                ("token", "slow_down", "polled_too_soon"),
                ("api", "insufficient_scope", "scope_missing"),
                ("api", "invalid_token", "token_expired"),
            )
        )
    )
    refused: dict[str, Any] = {"endpoint": endpoint, "error": error, "reason": reason, "status": 400}
    client = draw(st.none() | st.sampled_from(CLIENTS))
    told = draw(st.sampled_from(SCOPES)) if endpoint == "api" else None
    event = events.AccessRejected(
        **refused,
        client_id=client,
        token_id="g.1" if told is not None and client else None,
        api=draw(st.sampled_from(RESOURCES)) if endpoint == "api" else None,
        required_scope="admin" if endpoint == "api" else None,
        present_scope=told,
    )
    telling.alone(event, draw(st.sampled_from(SOURCES)))


def _throttle(telling: Telling, draw: st.DrawFn) -> None:
    kinds = (
        ("token", "too_many_requests", "too_many_requests", 429),
        ("introspect", "inactive_token", "token_unknown", 200),
        ("token", "invalid_scope", "scope_unknown", 400),
    )
    requests = tuple(
        events.ThrottledRequests(
            endpoint=endpoint, error=error, reason=reason, status=status, count=draw(st.integers(1, 9))
        )
        for endpoint, error, reason, status in draw(st.lists(st.sampled_from(kinds), unique=True))
    )
    event = events.AccessThrottled(
        limit="client_refusals",
        window_starts_at=int(telling.now) // 60 * 60,
        window_seconds=60,
        count=sum(kind.count for kind in requests),
        client_id=draw(st.none() | st.sampled_from(CLIENTS)),
        requests=requests,
    )
    telling.alone(event, draw(st.none() | st.sampled_from(SOURCES)))


def _count(telling: Telling, draw: st.DrawFn) -> None:
    minute = int(telling.now) // 60 * 60 + draw(st.sampled_from((-60, 0, 600)))
    ages = draw(st.sampled_from(((3, 0, 1, 0, 0, 0, 2), (1,), ())))
    counts = events.IntrospectionCount(
        resource=draw(st.sampled_from(RESOURCES)),
        scope=draw(st.sampled_from(SCOPES)),
        grant_type="refresh_token",
        introspector=draw(st.sampled_from(("api", "worker"))),
        count=sum(ages) or 5,
        ages=ages,
    )
    client = draw(st.sampled_from(CLIENTS))
    telling.alone(events.UsageRecorded(client_id=client, minute=minute, introspections=(counts, counts)))


def _sign_in(telling: Telling, draw: st.DrawFn) -> None:
    client = draw(st.none() | st.sampled_from(CLIENTS))
    if draw(st.booleans()):
        telling.alone(events.LoginFailed(reason="wrong_password", method="pwd", client_id=client), "192.0.2.7")
        return
    shape = draw(st.sampled_from((events.SessionStarted, events.SessionRenewed)))
    lived: dict[str, Any] = {"auth_time": 1, "expires_at": 2, "amr": ("pwd", "otp"), "acr": "2fa"}
    telling.alone(shape(subject="zoe", digest="d", client_id=client, **lived))


def _model(telling: Telling, draw: st.DrawFn) -> None:
    scopes = tuple(draw(st.lists(st.sampled_from(("read", "write", "admin")), unique=True)))
    roles = tuple(draw(st.lists(st.sampled_from(("reader", "writer")), unique=True)))
    client, resource = draw(st.sampled_from(CLIENTS)), draw(st.sampled_from(RESOURCES))
    role = draw(st.sampled_from(("reader", "writer")))
    grants = draw(st.sampled_from(((), ("authorization_code",))))
    settings: dict[str, Any] = {
        "client_id": client,
        "auth_method": "none",
        "grants": grants,
        "scopes": scopes,
        "roles": roles,
    }
    described = dict.fromkeys(scopes, "…")
    stream, event = draw(
        st.sampled_from(
            (
                (client_stream(client), events.ClientRegistered(**settings)),
                (client_stream(client), events.ClientUpdated(**settings)),
                (client_stream(client), events.ClientRemoved(client_id=client)),
                (client_stream(client), events.ClientDisabled(client_id=client)),
                (client_stream(client), events.ClientEnabled(client_id=client)),
                (role_stream(role), events.RoleRegistered(name=role, scopes=scopes)),
                (role_stream(role), events.RoleUpdated(name=role, scopes=scopes)),
                (role_stream(role), events.RoleRemoved(name=role)),
                (resource_stream(resource), events.ResourceRegistered(uri=resource, scopes=described)),
                (resource_stream(resource), events.ResourceUpdated(uri=resource, scopes=described)),
                (resource_stream(resource), events.ResourceRemoved(uri=resource)),
            )
        )
    )
    telling.tell(stream, event)


_ALONE = {"reject": _reject, "throttle": _throttle, "count": _count, "sign_in": _sign_in, "model": _model}

"""A grant that a person gave, and what surrounds it, for the decisions about codes and refresh tokens."""

from __future__ import annotations

from typing import Any

import msgspec

from projections.access_model import Client
from projections.grants import Grant, fold_grant
from projections.state import WorkerState
from schema import events
from schema.envelope import Fact
from schema.streams import account_stream, client_stream, consent_stream, new_stream, resource_stream
from service.decisions.given import REFUSED
from service.errors import Rejection
from tests.projections.histories import MOMENT

ISSUER = "https://auth.example.com"
API = "https://api.example.com"
OTHER_API = "https://other.example.com"
SCOPE = "offline_access openid read write"
REDIRECT = "https://app.example.com/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # both are those of RFC 7636 appendix B
BEGAN = 1_000_000
GRANT_ID = new_stream(BEGAN * 1_000)

_CLIENT: dict[str, Any] = {
    "client_id": "app",
    "auth_method": "client_secret_basic",
    "grants": ("authorization_code", "refresh_token"),
    "scopes": ("offline_access", "openid", "read", "write", "more"),
    "resources": (API, OTHER_API),
}
_GRANTED: dict[str, Any] = {
    "client_id": "app",
    "subject": "zoe",
    "session": "s",
    "scope": SCOPE,
    "resources": (API,),
    "redirect_uri": REDIRECT,
    "code_challenge": CHALLENGE,
    "digest": "code",
    "issued_at": BEGAN,
    "expires_at": BEGAN + 60,
    "auth_time": BEGAN - 5,
    "amr": ("pwd",),
    "acr": "1fa",
}
_TOKEN: dict[str, Any] = {
    "client_id": "app",
    "subject": "zoe",
    "audience": API,
    "scope": SCOPE,
    "auth_method": "client_secret_basic",
    "format": "jwt",
}
_AT_FIRST = (
    (resource_stream(API), events.ResourceRegistered(uri=API, scopes={"read": "…", "write": "…"})),
    (resource_stream(OTHER_API), events.ResourceRegistered(uri=OTHER_API, scopes={"more": "…"})),
    (account_stream("zoe"), events.AccountRegistered(subject="zoe", name="zoe")),
    (consent_stream("zoe", "app"), events.ConsentGranted(client_id="app", subject="zoe", scopes=("read",))),
)


def state_of(*later: events.Event, **settings: Any) -> WorkerState:
    """A worker that knows the client `app`, the person zoe and her consent; then what happened `later`."""
    state = WorkerState(10)
    registered = events.ClientRegistered(**(_CLIENT | settings))
    happened = [*_AT_FIRST, (client_stream("app"), registered), *((account_stream("zoe"), event) for event in later)]
    for position, (stream, event) in enumerate(happened, start=1):
        state.apply(Fact(position, stream, 2 if event in later else 1, event, MOMENT))
    return state


def client_named(state: WorkerState, client_id: str = "app", **changes: Any) -> Client:
    """A client of the state, or one that is there for this question alone."""
    known = state.access.clients["app"]
    settings = msgspec.structs.replace(known.settings, client_id=client_id)
    return msgspec.structs.replace(known, settings=settings, **changes)


def grant_of(*happened: events.Event, position: int = 100, **changes: Any) -> Grant:
    """The grant as it was given, from `position` on, and what happened to it then."""
    story = [events.AuthorizationGranted(**(_GRANTED | changes)), *happened]
    return fold_grant(
        Fact(position + number, GRANT_ID, number + 1, event, MOMENT) for number, event in enumerate(story)
    )


def issued(now: int = BEGAN, digest: str | None = "r0", expires_in: int = 2_592_000) -> tuple[events.Event, ...]:
    """The code was exchanged."""
    return (
        events.AuthorizationRedeemed(client_id="app"),
        events.TokenIssued(
            number=1,
            issued_at=now,
            expires_at=now + 600,
            grant_type="authorization_code",
            refresh_digest=digest,
            refresh_expires_at=now + expires_in,
            **_TOKEN,
        ),
    )


def refreshed(
    number: int, generation: int, now: int, used: str, new: str | None, *, retry: bool = False
) -> events.Event:
    """The refresh token was used."""
    return events.TokenRefreshed(
        number=number,
        generation=generation,
        issued_at=now,
        expires_at=now + 600,
        used_digest=used,
        refresh_digest=new,
        retry=retry,
        **_TOKEN,
    )


def reason_of(rejection: Rejection) -> str:
    """Why something was refused; the caller learns nothing of it where it is the code or token that is refused."""
    assert rejection.error != "invalid_grant" or rejection.description == REFUSED
    return rejection.reason


REVOKED = events.GrantRevoked(client_id="app", reason="operator")

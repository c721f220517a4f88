"""Apps that people sign in to, and the grants that they give, without the pages that ask them."""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from base64 import urlsafe_b64encode
from typing import Any, NamedTuple
from uuid import UUID

from schema.envelope import Context
from schema.events import AuthorizationGranted, ConsentGranted, ConsentWithdrawn, Event
from schema.streams import consent_stream, new_stream
from service.endpoints.core import Core
from service.grants import clock
from service.grants.revoke import revoke_grant
from service.journal.port import Append
from service.tokens.handles import AUTHORIZATION_CODE, new_handle
from tests.endpoints.world import REVOKE, SCOPES, TOKEN, USERS, Answer, Party, World, fresh_party
from tests.people import Person, register_person

REDIRECT = "https://app.example.com/callback"
APP_SCOPES = (*SCOPES[USERS], "openid", "profile", "email", "offline_access")
ALL = "offline_access openid read:users write:users"
GRANTS = ("authorization_code", "refresh_token")


class Code(NamedTuple):
    """A code, and what its client knows of it."""

    text: str
    verifier: str
    grant_id: UUID
    redirect_uri: str = REDIRECT


async def person(core: Core, *roles: str) -> Person:
    """Somebody new."""
    return await register_person(core, f"zoe-{uuid.uuid4().hex[:12]}", roles=roles)


async def app(world: World, **settings: Any) -> Party:
    """A fresh app that people give grants to; public where `auth_method` is none."""
    party = fresh_party()
    if settings.get("auth_method") == "none":
        party = party._replace(secret="")
    rights = {"grants": GRANTS, "resources": (USERS,), "scopes": APP_SCOPES, "redirect_uris": (REDIRECT,)}
    return await world.register(party, **(rights | settings))


async def consent(core: Core, who: Person, party: Party, scope: str = ALL) -> None:
    """The person allows the app some scopes."""
    event = ConsentGranted(client_id=party.client_id, subject=who.subject, scopes=tuple(scope.split(" ")))
    await _append_consent(core, who, party, event)


async def withdraw(core: Core, who: Person, party: Party, *grants: UUID) -> None:
    """The person no longer allows the app anything: the consent goes, and these grants with it."""
    await _append_consent(core, who, party, ConsentWithdrawn(client_id=party.client_id, subject=who.subject))
    for grant_id in grants:
        await end(core, grant_id, "consent_withdrawn")


async def end(core: Core, grant_id: UUID, reason: str = "operator") -> None:
    """Revoke a grant, and wait until every worker knows."""
    last = await revoke_grant(core, Context(), grant_id, reason)
    await core.follower.settled(last or 0)


async def granted(core: Core, party: Party, who: Person, *, ask: bool = True, **changes: Any) -> Code:
    """What the app gets at its redirect URI once the person has allowed it; `changes` are those of the event."""
    if ask:
        await consent(core, who, party, changes.get("scope", ALL))
    grant_id, verifier, now = new_stream(), secrets.token_urlsafe(32), clock.now()
    text = new_handle(AUTHORIZATION_CODE, grant_id)
    fields: dict[str, Any] = {
        "scope": ALL,
        "resources": (USERS,),
        "redirect_uri": REDIRECT,
        "issued_at": now,
        "expires_at": now + core.settings.authorization_code_lifetime,
        "auth_time": now - 30,
        "amr": ("pwd", "otp"),
        "acr": "2fa",
        "nonce": "n-0S6_WzA2Mj",
    }
    event = AuthorizationGranted(
        client_id=party.client_id,
        subject=who.subject,
        session=str(new_stream()),
        code_challenge=challenge_of(verifier),
        digest=core.digester.digest(text),
        **(fields | changes),
    )
    await core.journal.append(Append(grant_id, 0, (event,)))
    return Code(text, verifier, grant_id, event.redirect_uri)


def challenge_of(verifier: str) -> str:
    """The S256 challenge (RFC 7636 section 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def proof(party: Party) -> tuple[dict[str, str], dict[str, str]]:
    """Headers and parameters by which an app says who it is."""
    return (party.basic, {}) if party.secret else ({}, {"client_id": party.client_id})


async def redeem(world: World, party: Party, code: Code, /, **changes: str | None) -> Answer:
    """Exchange a code; `changes` replace parameters, or leave them out (None)."""
    form: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "code": code.text,
        "redirect_uri": code.redirect_uri,
        "code_verifier": code.verifier,
    }
    return await _ask(world, TOKEN, party, form | changes)


async def refresh(world: World, party: Party, token: str, /, **changes: str | None) -> Answer:
    """Use a refresh token."""
    form: dict[str, str | None] = {"grant_type": "refresh_token", "refresh_token": token}
    return await _ask(world, TOKEN, party, form | changes)


async def revoke(world: World, party: Party, token: str) -> Answer:
    """Revoke a token."""
    return await _ask(world, REVOKE, party, {"token": token})


async def first_tokens(world: World, party: Party, who: Person, **changes: Any) -> dict[str, Any]:
    """What an app has once a person has allowed it: the token response, and the `grant_id`."""
    code = await granted(world.core, party, who, **changes)
    answer = await redeem(world, party, code)
    assert answer.status == 200, answer.content
    return answer.body | {"grant_id": code.grant_id}


async def active(world: World, token: str) -> bool:
    """Whether introspection says that an access token is active."""
    said: bool = (await world.introspect(token)).body["active"]
    return said


class Later:
    """A clock that tests put forward."""

    def __init__(self) -> None:
        self.seconds = 0

    def now(self) -> int:
        """The time that the grants are told."""
        return int(time.time()) + self.seconds

    def __call__(self, seconds: int) -> None:
        """Let time pass."""
        self.seconds += seconds


async def _append_consent(core: Core, who: Person, party: Party, event: Event) -> None:
    stream = consent_stream(who.subject, party.client_id)
    version = core.state.consents.version_of(stream)
    appended = await core.journal.append(Append(stream, version, (event,)))
    await core.follower.settled(appended.last)


async def _ask(world: World, path: str, party: Party, form: dict[str, str | None]) -> Answer:
    headers, named = proof(party)
    sent = {name: value for name, value in form.items() if value is not None}
    return await world.call(path, sent | named, headers=headers)

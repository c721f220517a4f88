"""One worker with clients, people and the grants that these gave, as the other endpoints would have made them."""

from __future__ import annotations

import time
import uuid
from typing import Any, NamedTuple
from uuid import UUID

import httpx

from projections.access_model import Client
from projections.grants import Person as Giver
from schema.envelope import Context, RecordedEvent
from schema.events import (
    AuthorizationGranted,
    AuthorizationRedeemed,
    ClientRegistered,
    Event,
    ResourceRegistered,
    SessionStarted,
    TokenIssued,
)
from schema.streams import client_stream, new_stream, resource_stream
from service.accounts.acr import acr_of
from service.endpoints.core import Core
from service.grants import AUTHORIZATION_CODE
from service.journal.port import Append
from service.oidc.id_token import make_id_token
from service.oidc.scopes import IDENTITY_SCOPES
from service.tokens.handles import SESSION, new_access_token, new_client_secret, new_handle
from service.tokens.jwt import PersonClaims
from tests.endpoints.world import Party
from tests.people import Browser, Person, register_person

FILES = "https://files.example.com/"
FILE_SCOPES = {"read:files": "Read your files"}
PASSWORD_AND_APP = ("pwd", "otp")


class SignedInSession(NamedTuple):
    """A session, the handle that its cookie holds, and who it is of."""

    id: UUID
    handle: str
    person: Person


class Given(NamedTuple):
    """A grant that a person gave a client, and its access token."""

    id: UUID
    client: Client
    access_token: str
    giver: Giver

    @property
    def bearer(self) -> dict[str, str]:
        """The header that presents the access token."""
        return {"authorization": f"Bearer {self.access_token}"}


class OidcWorld:
    """A worker, its application, and every secret that was made."""

    def __init__(self, core: Core, http: httpx.AsyncClient) -> None:
        self.core = core
        self.http = http
        self.secrets: set[str] = set()
        self.api = Party("files-api", new_client_secret())

    async def populate(self) -> None:
        """Register the one API, and the client that introspects its tokens."""
        await self.append(resource_stream(FILES), 0, ResourceRegistered(uri=FILES, scopes=FILE_SCOPES))
        registered = ClientRegistered(
            client_id=self.api.client_id,
            auth_method="client_secret_basic",
            introspects=(FILES,),
            secret_digest=self.core.digester.digest(self.api.secret),
        )
        await self.append(client_stream(self.api.client_id), 0, registered)

    async def append(self, stream: UUID, version: int, *events: Event) -> int:
        """Commit events; the worker knows them at once."""
        appended = await self.core.journal.append(Append(stream, version, events, Context()))
        await self.core.follower.settled(appended.last)
        return appended.last

    async def client(self, **settings: Any) -> Client:
        """A fresh client that may have every identity scope, unless `settings` say otherwise."""
        client_id = f"app-{uuid.uuid4().hex[:12]}"
        rights: dict[str, Any] = {
            "auth_method": "none",
            "grants": (AUTHORIZATION_CODE, "refresh_token"),
            "scopes": (*IDENTITY_SCOPES, *FILE_SCOPES),
            "resources": (FILES,),
            "redirect_uris": (f"https://{client_id}.example.com/callback",),
        }
        event = ClientRegistered(client_id=client_id, **(rights | settings))
        await self.append(client_stream(client_id), 0, event)
        return self.core.state.access.clients[client_id]

    async def person(self, **settings: Any) -> Person:
        """A fresh person."""
        return await register_person(self.core, f"person-{uuid.uuid4().hex[:12]}", **settings)

    async def session(self, person: Person, amr: tuple[str, ...] = ("pwd",)) -> SignedInSession:
        """A fresh session of a person."""
        session, now = new_stream(), int(time.time())
        handle = new_handle(SESSION, session)
        self.secrets.add(handle)
        started = SessionStarted(
            subject=person.subject,
            digest=self.core.digester.digest(handle),
            auth_time=now,
            expires_at=now + 3_600,
            amr=amr,
            acr=acr_of(amr),
        )
        await self.append(session, 0, started)
        return SignedInSession(session, handle, person)

    def browser(self, session: SignedInSession | None = None) -> Browser:
        """A browser, signed in by a session where one is given."""
        browser = Browser(self.http)
        if session is not None:
            browser.cookies["__Host-tallystick_session"] = session.handle
        return browser

    async def grant(
        self,
        client: Client,
        session: SignedInSession,
        scope: str = "openid",
        *,
        token_format: str = "jwt",
        token_scope: str | None = None,
        lifetime: int = 600,
        **granted: Any,
    ) -> Given:
        """A grant whose code was redeemed; `granted` are further fields of `authorization.granted`."""
        grant_id, now = new_stream(), int(time.time())
        known = await self.core.sessions.reload(session.id)
        begun = AuthorizationGranted(
            client_id=client.client_id,
            subject=session.person.subject,
            session=str(session.id),
            scope=scope,
            resources=(),
            redirect_uri=client.settings.redirect_uris[0],
            code_challenge="x" * 43,
            digest="x" * 43,
            issued_at=now,
            expires_at=now + 60,
            auth_time=known.auth_time,
            amr=known.amr,
            acr=known.acr,
            **granted,
        )
        issued, text = await self._token(client, begun, grant_id, token_scope or scope, token_format, lifetime)
        await self.append(grant_id, 0, begun, AuthorizationRedeemed(client_id=client.client_id), issued)
        giver = (await self.core.grants.reload(grant_id)).person
        assert giver is not None
        return Given(grant_id, client, text, giver)

    async def id_token(self, given: Given, **changes: Any) -> str:
        """An ID token of a grant."""
        now = changes.pop("now", int(time.time()))
        text = await make_id_token(self.core, given.client, given.giver, now=now, **changes)
        self.secrets.add(text)
        return text

    async def events_after(self, position: int) -> list[RecordedEvent]:
        """The events committed after a position; none of them may hold a secret."""
        events = await self.core.journal.read(position, 1_000)
        self.check_no_secret(events)
        return events

    def check_no_secret(self, events: list[RecordedEvent]) -> None:
        """No event has a cookie or token that was seen."""
        text = "\n".join(f"{event.data} {event.client} {event.actor}" for event in events)
        assert [secret for secret in self.secrets if secret in text] == []

    async def _token(
        self,
        client: Client,
        begun: AuthorizationGranted,
        grant_id: UUID,
        scope: str,
        token_format: str,
        lifetime: int,
    ) -> tuple[TokenIssued, str]:
        now = int(time.time())
        subject = self.core.subjects.of(client, begun.subject)
        if token_format == "opaque":
            text = new_access_token(grant_id)
        else:
            claims = PersonClaims(
                iss=self.core.issuer,
                sub=subject,
                aud=self.core.issuer,
                exp=now + lifetime,
                iat=now,
                jti=f"{grant_id}.1",
                client_id=client.client_id,
                scope=scope,
                grant_id=str(grant_id),
                auth_time=begun.auth_time,
                acr=begun.acr,
            )
            text = (await self.core.ring.signer()).sign(claims)
        self.secrets.add(text)
        issued = TokenIssued(
            number=1,
            client_id=client.client_id,
            subject=begun.subject,
            audience=self.core.issuer,
            scope=scope,
            issued_at=now,
            expires_at=now + lifetime,
            grant_type=AUTHORIZATION_CODE,
            auth_method="none",
            format=token_format,  # type: ignore[arg-type]  # tests name formats by text
            digest=self.core.digester.digest(text) if token_format == "opaque" else None,
            presented_subject=subject,
        )
        return issued, text

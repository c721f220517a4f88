"""A worker with applications and people, and what an authorization request to it comes to, receipts included."""

from __future__ import annotations

import itertools
import json
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Awaitable
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import httpx

from projections.access_model import Client
from projections.grants import Person as Giver
from schema.envelope import RecordedEvent
from schema.events import ClientDisabled, ClientRegistered, Event, ResourceRegistered, RoleRegistered
from schema.streams import client_stream, resource_stream, role_stream
from service.browser.cookies import SESSION
from service.browser.sign_in_request import SignInRequest
from service.endpoints.core import Core
from service.journal.port import Append
from service.oidc.id_token import make_id_token
from tests.people import Browser, Page, Person, register_person, signed_in

AUTHORIZE = "/oauth2/authorize"
USERS = "https://users.example.com"
PAYMENTS = "https://payments.example.com"
CALLBACK = "https://app.example.com/callback"
WITH_QUERY = "https://app.example.com/callback?tenant=1"
LOOPBACK = "http://127.0.0.1/callback"
LOOPBACK_6 = "http://[::1]/callback"
LOCALHOST = "http://localhost:8765/callback"
PRIVATE = "com.example.app:/callback"
VERIFIER = "the-verifier-of-this-test-with-43-characters-at-least"
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
_names = itertools.count(1)


class Seen(NamedTuple):
    """An answer, and the events that were committed for it."""

    page: Page
    events: list[RecordedEvent]

    @property
    def types(self) -> list[str]:
        """The types of the events."""
        return [event.type for event in self.events]

    def data(self, event_type: str) -> dict[str, Any]:
        """The data of the one event of a type."""
        (only,) = [event for event in self.events if event.type == event_type]
        data: dict[str, Any] = json.loads(only.data)
        return data

    @property
    def answer(self) -> dict[str, str]:
        """What the client is told, by either response mode."""
        if self.page.status == 303:
            return self.page.sent_back
        form = self.page.form()
        assert form.method == "post"
        return form.fields


class Scene:
    """One worker. Tests add people to it, and clients, and change nothing of others."""

    def __init__(self, core: Core, http: httpx.AsyncClient) -> None:
        self.core = core
        self.http = http
        self.secrets: set[str] = set()

    async def populate(self) -> None:
        """Register the APIs, the role and the applications that most tests need."""
        users = {"read:users": "Read all users", "write:users": "Change <b>any</b> user"}
        await self.append(resource_stream(USERS), ResourceRegistered(uri=USERS, scopes=users))
        payments = ResourceRegistered(uri=PAYMENTS, scopes={"pay": "Pay for you", "refund": "Refund"})
        await self.append(resource_stream(PAYMENTS), payments)
        await self.append(role_stream("admin"), RoleRegistered(name="admin", scopes=("write:users",)))
        await self.client("web-app", client_name="Web App")
        await self.client("house-app", first_party=True, client_name="House App")
        native = (LOOPBACK, LOOPBACK_6, LOCALHOST, PRIVATE)
        await self.client("native-app", redirect_uris=native)
        await self.client("house-native", redirect_uris=native, first_party=True)

    async def append(self, stream: uuid.UUID, *events: Event, version: int = 0) -> int:
        """Commit events; the worker knows them then. Returns the last position."""
        appended = await self.core.journal.append(Append(stream, version, events))
        await self.core.follower.settled(appended.last)
        return appended.last

    async def client(self, client_id: str = "", **settings: Any) -> str:
        """Register a client that may ask for everything, unless `settings` say otherwise. Returns its id."""
        client_id = client_id or f"client-{uuid.uuid4().hex[:12]}"
        rights: dict[str, Any] = {
            "auth_method": "none",
            "grants": ("authorization_code", "refresh_token"),
            "scopes": ("openid", "profile", "email", "offline_access", "read:users", "write:users", "pay"),
            "resources": (USERS, PAYMENTS),
            "redirect_uris": (CALLBACK, WITH_QUERY),
        }
        await self.append(client_stream(client_id), ClientRegistered(client_id=client_id, **(rights | settings)))
        return client_id

    async def disable(self, client_id: str) -> None:
        """Disable a client."""
        await self.append(client_stream(client_id), ClientDisabled(client_id=client_id), version=1)

    def known(self, client_id: str) -> Client:
        """A client of the access model."""
        return self.core.state.access.clients[client_id]

    async def person(self, *, roles: tuple[str, ...] = (), password: str | None = None) -> Person:
        """A fresh account."""
        return await register_person(self.core, f"person-{next(_names)}", roles=roles, password=password)

    async def visitor(self, person: Person | None = None, **how: Any) -> Browser:
        """A browser in which a person, a fresh one by default, is signed in."""
        browser = await signed_in(self.core, self.http, person or await self.person(), **how)
        self.secrets.add(browser.cookies[SESSION])
        return browser

    def stranger(self) -> Browser:
        """A browser in which nobody is signed in."""
        return Browser(self.http)

    async def see(self, action: Awaitable[Page]) -> Seen:
        """Do something; its answer and events, of which none may hold a secret that was seen."""
        before = await self.core.journal.head()
        page = await action
        seen = Seen(page, await self.core.journal.read(before, 100))
        if page.status == 303 or "form-post" in page.text:
            answer = seen.answer
            self.secrets.update(answer[name] for name in ("code", "request") if name in answer)
        self.check_no_secret(seen.events)
        return seen

    async def ask(self, browser: Browser, *, method: str = "GET", **changes: str | list[str] | None) -> Seen:
        """Send an authorization request of the web app, with changes; a change to None leaves a parameter out."""
        parameters = parameters_with(**changes)
        if "state" not in changes:
            self.secrets.add(str(parameters["state"]))
        if method == "GET":
            return await self.see(browser.get(AUTHORIZE, **parameters))
        return await self.see(browser.post(AUTHORIZE, {name: str(value) for name, value in parameters.items()}))

    async def decide(self, browser: Browser, page: Page, decision: str, **fields: str) -> Seen:
        """Answer the consent page."""
        return await self.see(browser.submit(page.form("/consent"), decision=decision, **fields))

    async def code(self, browser: Browser, **changes: str | list[str] | None) -> Seen:
        """Ask, and allow where one is asked."""
        seen = await self.see(browser.get(AUTHORIZE, **parameters_with(**changes)))
        return seen if seen.page.status == 303 else await self.decide(browser, seen.page, "allow")

    def sign_in(self, seen: Seen) -> SignInRequest:
        """The sign-in that an answer sends the browser to."""
        target = urlsplit(seen.page.location)
        assert (seen.page.status, target.path) == (303, "/sign-in"), (seen.page.status, seen.page.text)
        return self.core.sealer.open(SignInRequest, dict(parse_qsl(target.query))["request"])

    def check_told(self, seen: Seen, error: str, reason: str, redirect_uri: str = CALLBACK) -> None:
        """The client was told of an error, at its redirect URI, and that is journalled and nothing else."""
        assert seen.page.status == 303, (seen.page.status, seen.page.text)
        location = seen.page.headers["location"]
        assert location.startswith(f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}"), location
        answer = seen.answer
        assert error == answer["error"], answer
        assert self.core.issuer == answer["iss"]
        assert "code" not in answer
        self.check_rejected(seen, error, reason, 303)

    def check_shown(self, seen: Seen, reason: str, endpoint: str = "authorize") -> None:
        """The person was shown an error and sent nowhere, and that is journalled and nothing else."""
        assert seen.page.status == 400, (seen.page.status, seen.page.headers)
        assert "location" not in seen.page.headers
        assert seen.page.forms == []
        self.check_rejected(seen, "invalid_request", reason, 400, endpoint)

    @staticmethod
    def check_rejected(seen: Seen, error: str, reason: str, status: int, endpoint: str = "authorize") -> None:
        """The only event says so."""
        assert seen.types == ["access.rejected"]
        data = seen.data("access.rejected")
        assert (error, reason, status, endpoint) == tuple(
            data[key] for key in ("error", "reason", "status", "endpoint")
        )

    def check_no_secret(self, events: list[RecordedEvent]) -> None:
        """No event has a code, a state or a sealed text that was seen."""
        text = "\n".join(f"{event.data} {event.client} {event.actor} {event.source}" for event in events)
        assert [secret for secret in self.secrets if secret in text] == []


def parameters_with(**changes: str | list[str] | None) -> dict[str, str | list[str]]:
    """A good request of the web app, with changes."""
    good: dict[str, str | list[str] | None] = {
        "client_id": "web-app",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid read:users",
        "state": f"state-{uuid.uuid4().hex}",
        "nonce": "n-0S6_WzA2Mj",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


async def id_token(scene: Scene, person: Person, client_id: str = "web-app", *, now: int | None = None) -> str:
    """An ID token of the person for a client, made at `now`."""
    giver = Giver(client_id, person.subject, "a-session", "openid", (), 0, ("pwd",), "1fa")
    return await make_id_token(scene.core, scene.known(client_id), giver, now=int(time.time()) if now is None else now)

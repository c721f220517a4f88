"""A worker with resources and clients, and an HTTP client that checks the receipt of every answer (promise 1)."""

from __future__ import annotations

import json
import time
import uuid
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import quote_plus, unquote_plus

import httpx
import jwt

from schema.envelope import RecordedEvent
from schema.events import ClientDisabled, ClientRegistered, ClientSecretRotated, Event, ResourceRegistered
from schema.streams import client_stream, resource_stream
from service.client_auth.credentials import ASSERTION_TYPE
from service.endpoints.core import Core
from service.http.app import create_app
from service.journal.port import Append
from service.tokens.handles import new_client_secret

USERS = "https://users.example.com"
PAYMENTS = "https://payments.example.com"
FOREIGN = "https://foreign.example.com"
SCOPES = {
    USERS: ("read:users", "write:users"),
    PAYMENTS: ("read:payments", "shared"),
    FOREIGN: ("read:foreign", "shared"),
}
AGENT = "protocol-test/1.0"
TOKEN, INTROSPECT, REVOKE = "/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"
_NAMES = {TOKEN: "token", INTROSPECT: "introspect", REVOKE: "revoke"}
_SECRET_FIELDS = ("client_secret", "token", "client_assertion", "code", "code_verifier", "refresh_token")
_SECRETS_TOLD = ("access_token", "refresh_token", "id_token")
_DONE = {
    "token": (
        ["token.issued"],
        ["authorization.redeemed", "token.issued"],
        ["device.redeemed", "token.issued"],
        ["token.refreshed"],
    ),
    "introspect": (),
    "revoke": (["token.revoked"], ["grant.revoked"]),
}
_BEHIND = {"token.source_observed", "usage.recorded"}
_REUSED = ["token.reuse_detected", "grant.revoked"]


class Party(NamedTuple):
    """A client and its secret; an empty one where it has none."""

    client_id: str
    secret: str = ""

    @property
    def basic(self) -> dict[str, str]:
        """The header of `client_secret_basic`."""
        return basic(quote_plus(self.client_id), quote_plus(self.secret))

    @property
    def post(self) -> dict[str, str]:
        """The parameters of `client_secret_post`."""
        return {"client_id": self.client_id, "client_secret": self.secret}


class Answer(NamedTuple):
    """An answer and the events that were committed for it."""

    status: int
    headers: httpx.Headers
    content: bytes
    events: list[RecordedEvent]

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body."""
        body: dict[str, Any] = json.loads(self.content)
        return body

    @property
    def event(self) -> dict[str, Any]:
        """The data of the one event."""
        (only,) = self.events
        data: dict[str, Any] = json.loads(only.data)
        return data

    @property
    def last(self) -> dict[str, Any]:
        """The data of the last event, which is a refusal where the request was refused."""
        data: dict[str, Any] = json.loads(self.events[-1].data)
        return data

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, public error and private reason of a refusal."""
        return self.status, self.body["error"], self.last["reason"]


class World:
    """One worker, its parties, and every secret that was seen in either direction."""

    def __init__(self, core: Core, http: httpx.AsyncClient) -> None:
        self.core = core
        self.http = http
        self.secrets: set[str] = set()
        self.service = Party("billing-worker", new_client_secret())
        self.other = Party("other-worker", new_client_secret())
        self.api = Party("users-api", new_client_secret())
        self.public = Party("browser-app")

    async def populate(self) -> None:
        """Register the resources and parties that most tests need."""
        for uri, scopes in SCOPES.items():
            described = {scope: f"May {scope}" for scope in scopes}
            await self.append(resource_stream(uri), 0, ResourceRegistered(uri=uri, scopes=described))
        rights: dict[str, Any] = {"grants": ("client_credentials",), "resources": (USERS,), "scopes": SCOPES[USERS]}
        await self.register(self.service, **rights)
        await self.register(self.other, **rights)
        await self.register(self.api, introspects=(USERS,))
        await self.register(self.public, auth_method="none")

    async def append(self, stream: uuid.UUID, version: int, *events: Event) -> None:
        """Commit events of the access model."""
        await self.core.journal.append(Append(stream, version, events))

    async def register(self, party: Party, *, auth_method: str = "client_secret_basic", **settings: Any) -> Party:
        """Register a client."""
        digest = self.core.digester.digest(party.secret) if party.secret else None
        event = ClientRegistered(
            client_id=party.client_id,
            auth_method=auth_method,  # type: ignore[arg-type]  # tests name methods by text
            secret_digest=digest,
            **settings,
        )
        await self.append(client_stream(party.client_id), 0, event)
        return party

    async def worker(self, **settings: Any) -> Party:
        """A fresh client that may have tokens for the users API unless `settings` say otherwise."""
        rights = {"grants": ("client_credentials",), "resources": (USERS,), "scopes": SCOPES[USERS]}
        return await self.register(fresh_party(), **(rights | settings))

    async def introspector(self, *audiences: str) -> Party:
        """A fresh client that introspects these audiences."""
        return await self.register(fresh_party(), introspects=audiences)

    async def disable(self, party: Party) -> None:
        """Disable a client."""
        stream = client_stream(party.client_id)
        version = self.core.state.access.version_of(stream)
        await self.append(stream, version, ClientDisabled(client_id=party.client_id, reason="test"))

    async def rotate(self, party: Party, previous_expire_at: int) -> Party:
        """Give a client a new secret; returns it with that one."""
        stream, secret = client_stream(party.client_id), new_client_secret()
        version = self.core.state.access.version_of(stream)
        event = ClientSecretRotated(
            client_id=party.client_id,
            secret_digest=self.core.digester.digest(secret),
            previous_expire_at=previous_expire_at,
        )
        await self.append(stream, version, event)
        return Party(party.client_id, secret)

    async def call(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        method: str = "POST",
        received: bool = True,
    ) -> Answer:
        """Send a request; check that its answer has exactly the events that it must have, and none has a secret.

        `received` says that the request reached an OAuth endpoint.
        """
        sent = {"user-agent": AGENT} | dict(headers or {})
        if content is not None or form == {}:
            sent.setdefault("content-type", "application/x-www-form-urlencoded")
        self._remember(form or {}, sent)
        before = await self.core.journal.head()
        raw = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
        response = await self.http.request(method, path, data=form, content=content, headers=raw)
        events = await self.core.journal.read(before, 100)
        self.check_no_secret(events)
        # What is observed is journalled behind the answer, sooner or later; it is no event of the request.
        of_request = [event for event in events if event.type not in _BEHIND]
        answer = Answer(response.status_code, response.headers, response.content, of_request)
        if received:
            self._check_receipt(_NAMES[path], answer)
        return answer

    async def issue(self, party: Party, **form: str) -> str:
        """A token of a party."""
        answer = await self.call(TOKEN, {"grant_type": "client_credentials"} | form, headers=party.basic)
        assert answer.status == 200, answer.content
        token: str = answer.body["access_token"]
        return token

    async def introspect(self, token: str, caller: Party | None = None, **form: str) -> Answer:
        """What introspection says of a token, to the users API by default."""
        return await self.call(INTROSPECT, {"token": token} | form, headers=(caller or self.api).basic)

    async def revoke(self, token: str, caller: Party | None = None, **form: str) -> Answer:
        """The answer of a revocation, by the billing worker by default."""
        return await self.call(REVOKE, {"token": token} | form, headers=(caller or self.service).basic)

    def check_no_secret(self, events: list[RecordedEvent]) -> None:
        """No event has a secret, token or assertion that was seen."""
        text = "\n".join(f"{event.data} {event.client} {event.actor} {event.source} {event.trace}" for event in events)
        assert [secret for secret in self.secrets if secret in text] == []

    def _remember(self, form: Mapping[str, str], headers: Mapping[str, str]) -> None:
        values = [form[name] for name in _SECRET_FIELDS if name in form]
        values += [party.secret for party in (self.service, self.other, self.api)]
        values += _basic_secrets(headers.get("Authorization", ""))
        self.secrets.update(value for value in values if len(value) >= 12)

    def _check_receipt(self, endpoint: str, answer: Answer) -> None:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
        body = answer.body
        self.secrets.update(body[name] for name in _SECRETS_TOLD if name in body)
        types = [event.type for event in answer.events]
        if body.get("active") is True:
            assert types == []
        elif "access_token" in body or types in _DONE["revoke"]:
            assert answer.status == 200
            assert types in _DONE[endpoint], types
        else:
            assert types in (["access.rejected"], [*_REUSED, "access.rejected"]), (answer.status, answer.content)
            self._check_rejection(endpoint, answer)
        assert all(event.source == "127.0.0.1" for event in answer.events)

    @staticmethod
    def _check_rejection(endpoint: str, answer: Answer) -> None:
        event, body = answer.last, answer.body
        assert event["endpoint"] == endpoint
        assert event["status"] == answer.status
        assert body.get("error", "inactive_token") == event["error"]
        if answer.status == 401:
            assert answer.headers["www-authenticate"].startswith("Basic ")
        claimed = event.get("claimed_client")
        assert claimed is None or (len(claimed) <= 64 and claimed.isascii() and claimed.isprintable())


def fresh_party() -> Party:
    """A party that is not registered yet."""
    return Party(f"party-{uuid.uuid4().hex[:12]}", new_client_secret())


def _basic_secrets(header: str) -> list[str]:
    """What is secret in a Basic header: all of it, and the secret as it is written and as it is meant."""
    encoded = header.partition(" ")[2]
    try:
        secret = b64decode(encoded).decode().partition(":")[2]
    except ValueError:
        return [encoded]
    return [encoded, secret, unquote_plus(secret)]


def basic(client_id: str, secret: str) -> dict[str, str]:
    """The header of `client_secret_basic` for id and secret as they are given."""
    return {"Authorization": f"Basic {b64encode(f'{client_id}:{secret}'.encode()).decode()}"}


def assertion_claims(
    client_id: str, audience: object = "https://auth.example.com", **changes: object
) -> dict[str, Any]:
    """The claims of a good client assertion, with changes; a change to None leaves the claim out."""
    now = int(time.time())
    claims: dict[str, object] = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "iat": now,
        "exp": now + 60,
        "jti": uuid.uuid4().hex,
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def assertion_form(assertion: str) -> dict[str, str]:
    """The parameters of `private_key_jwt`."""
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}


def signed(claims: Mapping[str, Any], key: Any, algorithm: str = "ES256", **headers: Any) -> str:
    """A JWT."""
    return jwt.encode(dict(claims), key, algorithm, headers=headers)


@asynccontextmanager
async def open_world(core: Core) -> AsyncIterator[World]:
    """A populated world over a running worker."""
    async with client_of_app(core) as http:
        world = World(core, http)
        await world.populate()
        yield world


@asynccontextmanager
async def client_of_app(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of a worker's application."""
    transport = httpx.ASGITransport(create_app(core))  # type: ignore[arg-type]  # two spellings of ASGI
    async with httpx.AsyncClient(transport=transport, base_url=core.issuer) as http:
        yield http

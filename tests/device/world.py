"""A worker with devices and people, and everything secret that they were given or typed."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx

from schema.envelope import RecordedEvent
from schema.events import ClientRegistered, DeviceRequested, Event, ResourceRegistered, RoleRegistered
from schema.streams import client_stream, new_stream, resource_stream, role_stream
from service.device.codes import new_user_code, shown, user_code_digest
from service.endpoints.core import Core
from service.grants import CLIENT_CREDENTIALS, DEVICE_CODE, REFRESH_TOKEN
from service.journal.port import Append
from service.tokens.handles import DEVICE_CODE as DEVICE_HANDLE
from service.tokens.handles import new_client_secret, new_handle, parse_handle
from tests.endpoints.conftest import check_documented
from tests.endpoints.world import basic, client_of_app
from tests.people import Browser, Page, Person, register_person, signed_in

USERS, PAYMENTS = "https://users.example.com", "https://payments.example.com"
SCOPES = ("openid", "profile", "offline_access", "read:users", "write:users", "pay")
SCOPE = "openid offline_access read:users"
AGENT = "Television/1.0"
TOKEN, INTROSPECT = "/oauth2/token", "/oauth2/introspect"
DEVICE_AUTHORIZATION = "/oauth2/device_authorization"


class Codes(NamedTuple):
    """What a device got."""

    device_code: str
    user_code: str
    body: dict[str, Any]

    @property
    def grant_id(self) -> uuid.UUID:
        """The grant that they are of."""
        return parse_handle(DEVICE_HANDLE, self.device_code)

    @property
    def issued_at(self) -> int:
        """When they were given, in seconds: a grant's id begins with its time (UUIDv7)."""
        return (self.grant_id.int >> 80) // 1_000


class Devices:
    """One worker as devices, people and an API see it. `secrets` is all that no event may have."""

    def __init__(self, core: Core, http: httpx.AsyncClient) -> None:
        self.core = core
        self.http = http
        self.api = ("users-api", new_client_secret())
        self.box = ("set-top-box", new_client_secret())
        self.secrets: set[str] = {self.api[1], self.box[1]}

    async def populate(self) -> None:
        """Register two APIs and the clients: a television without a secret, one of another make, a box with one."""
        scopes = {"read:users": "See all users", "write:users": "Change users"}
        await self.append(resource_stream(USERS), ResourceRegistered(uri=USERS, scopes=scopes))
        await self.append(resource_stream(PAYMENTS), ResourceRegistered(uri=PAYMENTS, scopes={"pay": "Pay"}))
        await self.append(role_stream("payer"), RoleRegistered(name="payer", scopes=("pay",)))
        await self.register("tv", client_name="Living room TV")
        await self.register("other-tv", client_name="Kitchen TV")
        await self.register("own-tv", first_party=True)
        await self.register(self.box[0], secret=self.box[1])
        await self.register(self.api[0], secret=self.api[1], introspects=(USERS, PAYMENTS))
        await self.register("no-tv", grants=(CLIENT_CREDENTIALS,))

    async def register(self, client_id: str, *, secret: str | None = None, **settings: Any) -> None:
        """Register a client, one that may have a device grant unless `settings` say otherwise."""
        rights: dict[str, Any] = {
            "grants": (DEVICE_CODE, REFRESH_TOKEN),
            "scopes": SCOPES,
            "resources": (USERS, PAYMENTS),
        }
        event = ClientRegistered(
            client_id=client_id,
            auth_method="client_secret_basic" if secret else "none",
            secret_digest=self.core.digester.digest(secret) if secret else None,
            **(rights | settings),
        )
        await self.append(client_stream(client_id), event)

    async def append(self, stream: Any, *events: Event, version: int = 0) -> None:
        """Commit events of the access model."""
        await self.core.journal.append(Append(stream, version, events))

    async def post(self, path: str, form: Any, auth: tuple[str, str] | None = None) -> httpx.Response:
        """Post a form as a device does."""
        headers = {"user-agent": AGENT, "content-type": "application/x-www-form-urlencoded"}
        headers |= basic(*auth) if auth else {}
        return await self.http.post(path, content=urlencode(form), headers=headers)

    async def begin(self, client_id: str = "tv", scope: str = SCOPE) -> Codes:
        """The codes of a device without a secret."""
        response = await self.post(DEVICE_AUTHORIZATION, {"client_id": client_id, "scope": scope})
        assert response.status_code == 200, response.content
        body = response.json()
        self.secrets.update({body["device_code"], body["user_code"], body["user_code"].replace("-", "")})
        return Codes(body["device_code"], body["user_code"], body)

    async def poll(self, device_code: str, client_id: str = "tv", **form: str) -> httpx.Response:
        """The answer to a device that asks whether somebody has decided."""
        sent = {"client_id": client_id, "grant_type": DEVICE_CODE, "device_code": device_code} | form
        response = await self.post(TOKEN, sent)
        body = response.json()
        self.secrets.update(body[name] for name in ("access_token", "refresh_token", "id_token") if name in body)
        return response

    async def wait(self, device_code: str, seconds: float) -> None:
        """Let a device have asked that much longer ago."""
        statement = (
            "UPDATE runtime.device_polls SET polled_at = polled_at - make_interval(secs => $2) WHERE grant_id = $1"
        )
        await self.core.journal.fetch(statement, parse_handle(DEVICE_HANDLE, device_code), seconds)

    async def begin_expired(self, client_id: str = "tv") -> Codes:
        """The codes of a device that asked long ago."""
        grant_id, user_code, now = new_stream(), new_user_code(), int(time.time())
        device_code = new_handle(DEVICE_HANDLE, grant_id)
        event = DeviceRequested(
            client_id=client_id,
            scope="openid",
            resources=(),
            digest=self.core.digester.digest(device_code),
            user_code_digest=user_code_digest(self.core.digester, user_code),
            issued_at=now - 600,
            expires_at=now,
        )
        await self.append(grant_id, event)
        return Codes(device_code, shown(user_code), {})

    async def refresh(self, refresh_token: str, client_id: str = "tv") -> httpx.Response:
        """The answer to a refresh."""
        form = {"client_id": client_id, "grant_type": "refresh_token", "refresh_token": refresh_token}
        return await self.post(TOKEN, form)

    async def active(self, token: str) -> bool:
        """Whether introspection says that a token is active."""
        response = await self.post(INTROSPECT, {"token": token}, auth=self.api)
        active: bool = response.json()["active"]
        return active

    async def person(self, **settings: Any) -> tuple[Person, Browser]:
        """A fresh person, signed in at a browser of their own."""
        person = await register_person(self.core, f"zoe-{uuid.uuid4().hex[:8]}", **settings)
        return person, await self.browser(person)

    async def browser(self, person: Person) -> Browser:
        """One more browser in which the person is signed in."""
        browser = await signed_in(self.core, self.http, person)
        self.secrets.update(browser.cookies.values())
        return browser

    async def events(self, after: int, kind: str = "") -> list[RecordedEvent]:
        """What was committed after a position, of one type if it is named."""
        return [event for event in await self.core.journal.read(after, 1_000_000) if kind in {"", event.type}]

    async def rejection(self, after: int) -> dict[str, Any]:
        """The one refusal after a position."""
        (event,) = await self.events(after, "access.rejected")
        data: dict[str, Any] = json.loads(event.data)
        return data

    async def check_no_secret(self) -> None:
        """No event has a code, token or cookie."""
        text = "\n".join(f"{event.data} {event.actor} {event.source}" for event in await self.events(0))
        assert [secret for secret in self.secrets if secret in text] == []

    async def check_documented(self) -> None:
        """Each refusal is one that docs/rejections.md tells of."""
        check_documented(await self.events(0, "access.rejected"))


async def enter(browser: Browser, user_code: str) -> Page:
    """Type a user code on the page for it."""
    return await browser.submit((await browser.get("/device")).form("/device"), user_code=user_code)


async def decide(browser: Browser, user_code: str, decision: str = "allow") -> Page:
    """Go through the pages for a user code."""
    page = await enter(browser, user_code)
    assert page.status == 200, page.text
    return await browser.submit(page.form("/device/decision"), decision=decision)


@asynccontextmanager
async def open_devices(core: Core) -> AsyncIterator[Devices]:
    """A populated world over a running worker; in the end its whole journal is searched for secrets, and for
    refusals that docs/rejections.md does not tell of.
    """
    async with client_of_app(core) as http:
        devices = Devices(core, http)
        await devices.populate()
        yield devices
        await devices.check_no_secret()
        await devices.check_documented()


@asynccontextmanager
async def beside(devices: Devices, core: Core) -> AsyncIterator[Devices]:
    """The same world at a second worker."""
    async with client_of_app(core) as http:
        second = Devices(core, http)
        second.api, second.box = devices.api, devices.box
        yield second

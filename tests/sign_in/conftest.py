"""A worker at whose door people stand, and a browser whose answers are checked against their receipts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from schema.envelope import RecordedEvent
from schema.events import Event
from schema.streams import account_stream
from service.bootstrap import open_worker
from service.browser.cookies import SESSION
from service.browser.sign_in_request import SignInRequest
from service.endpoints.core import Core
from service.http.app import create_app
from service.journal.port import Append
from service.settings import Settings
from tests.accounts.conftest import CHEAP
from tests.people import Browser, Page, Person, register_person

PASSWORD = "zoe tulip harbor quartz"
SECRETS = ("password", "code", "credential", "csrf", "state", "passkey_state", "request")


class Answer(NamedTuple):
    """A page, and the events that were committed for it."""

    page: Page
    events: list[RecordedEvent]

    @property
    def types(self) -> list[str]:
        """The types of the events."""
        return [event.type for event in self.events]

    @property
    def event(self) -> dict[str, Any]:
        """The data of the one event."""
        (only,) = self.events
        data: dict[str, Any] = json.loads(only.data)
        return data

    @property
    def problem(self) -> str:
        """What the page says went wrong."""
        _, _, rest = self.page.text.partition('id="problem"')
        return rest.partition(">")[2].partition("</p>")[0].strip()


class Door:
    """A worker, a browser at it, and every secret that went either way."""

    def __init__(self, core: Core, browser: Browser) -> None:
        self.core = core
        self.browser = browser
        self._secrets: set[str] = {PASSWORD}

    @property
    def cookie(self) -> str:
        """The session cookie."""
        return self.browser.cookies.get(SESSION, "")

    async def get(self, path: str, **query: str) -> Answer:
        """Open a page."""
        return await self._receipted(self.browser.get(path, **query))

    async def sign_in(self, name: str, password: str = PASSWORD, request: str = "") -> Answer:
        """Open the page, and send name and password; who is signed in already is asked to by an application."""
        if self.cookie and not request:
            request = sealed(self.core, return_to="/account")
        page = await self.browser.get("/sign-in", request=request)
        return await self.submit(page, "/sign-in", name=name, password=password)

    async def submit(self, page: Page, path: str, **fields: str) -> Answer:
        """Send the form of a page that goes to `path`; where there are several, the one with these fields."""
        form = next(
            each
            for each in page.forms
            if urlsplit(each.action).path == path and fields.get("method", "") in {"", each.fields.get("method")}
        )
        return await self.post(path, form.fields | fields)

    async def post(self, path: str, fields: dict[str, str], headers: dict[str, str] | None = None) -> Answer:
        """Send a form."""
        self._secrets.update(fields[name] for name in SECRETS if len(fields.get(name, "")) >= 6)
        return await self._receipted(self.browser.post(path, fields, headers=headers))

    async def whose(self) -> str:
        """Whose session the browser has now, by what the sign-in page does for them; "" for nobody's."""
        return "somebody" if (await self.browser.get("/sign-in")).status == 303 else ""

    async def _receipted(self, sending: Awaitable[Page]) -> Answer:
        before = await self.core.journal.head()
        page = await sending
        self._secrets.update(value for value in self.browser.cookies.values())
        answer = Answer(page, await self.core.journal.read(before, 100))
        self._check(answer)
        return answer

    def _check(self, answer: Answer) -> None:
        """Every answer but a page that only asks has its event, and none has a secret."""
        text = "\n".join(f"{event.data} {event.client} {event.actor}" for event in answer.events)
        assert [secret for secret in self._secrets if secret in text] == []
        assert answer.page.headers["cache-control"] == "no-store"
        given = [each for each in answer.page.headers.get_list("set-cookie") if each.startswith(SESSION)]
        match answer.page.status:
            case 200:
                assert answer.types in ([], ["account.recovery_code_used"])
            case 303 if given:
                assert answer.types[-1] in {"session.started", "session.renewed"}
            case 303:
                assert answer.types == []
            case 400:
                assert answer.types[-1] in {"login.failed", "access.rejected"}
            case 429 | 405:
                assert answer.types == ["access.rejected"]
            case status:
                raise AssertionError(f"{status}: {answer.page.text}")
        if answer.page.status != 303:
            assert given == []


OpenDoor = Callable[..., Awaitable[Door]]


@asynccontextmanager
async def http_from(core: Core, source: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of a worker's application, at an address."""
    transport = httpx.ASGITransport(create_app(core), client=(source, 50_000))  # type: ignore[arg-type]  # two spellings
    async with httpx.AsyncClient(transport=transport, base_url=core.issuer) as http:
        yield http


@asynccontextmanager
async def door_at(core: Core, source: str = "127.0.0.1") -> AsyncIterator[Door]:
    """A browser at a worker, at an address."""
    async with http_from(core, source) as http:
        yield Door(core, Browser(http))


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Passwords that cost little."""
    return msgspec.structs.replace(settings, **CHEAP)


@pytest.fixture
async def door(core: Core) -> AsyncIterator[Door]:
    """A browser at a worker."""
    async with door_at(core) as opened:
        yield opened


@pytest.fixture
async def zoe(core: Core) -> Person:
    """Somebody with a password."""
    return await register_person(core, password=PASSWORD)


@pytest.fixture
async def second(settings: Settings, door: Door) -> AsyncIterator[Door]:
    """A browser of its own at a second worker beside the first."""
    async with open_worker(settings) as core, door_at(core) as opened:
        yield opened


async def change(core: Core, person: Person, *events: Event) -> None:
    """Commit events of an account; every worker knows them."""
    stream = account_stream(person.name)
    version = core.state.accounts.version_of(stream)
    appended = await core.journal.append(Append(stream, version, events))
    await core.follower.settled(appended.last)


def sealed(core: Core, lifetime: int = 60, **request: Any) -> str:
    """A request to sign in."""
    return core.sealer.seal(SignInRequest(**({"return_to": "/somewhere?a=b"} | request)), lifetime)

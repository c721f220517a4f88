"""What happens when something else is committed just before a grant, or nothing can be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from schema.events import AccessRejected, AuthorizationGranted, ConsentGranted, ConsentWithdrawn, Event, SessionEnded
from schema.streams import consent_stream
from service.browser.cookies import SESSION
from service.journal.port import Append, Appended, JournalUnavailable
from service.tokens.handles import SESSION as SESSION_HANDLE
from service.tokens.handles import parse_handle
from tests.authorize.scene import AUTHORIZE, Scene, parameters_with
from tests.endpoints.world import client_of_app
from tests.people import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Interloper:
    """The journal, with something that happens once, just before an event of a kind is committed."""

    def __init__(self, journal: Any, kind: type[Event], happens: Callable[[], Awaitable[None]]) -> None:
        self._journal = journal
        self._kind = kind
        self._happens = happens
        self._happened = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def append(self, request: Append) -> Appended:
        """Append, after what happens."""
        if not self._happened and any(isinstance(event, self._kind) for event in request.events):
            self._happened = True
            await self._happens()
        appended: Appended = await self._journal.append(request)
        return appended


async def ask_while(
    scene: Scene, browser: Browser, kind: type[Event], happens: Callable[[], Awaitable[None]], **changes: str
) -> Page:
    """Ask, and allow where one is asked, at a worker where something happens just before an event is committed."""
    core = scene.core._replace(journal=Interloper(scene.core.journal, kind, happens))  # type: ignore[arg-type]
    async with client_of_app(core) as http:
        there = Browser(http)
        there.cookies = browser.cookies
        page = await there.get(AUTHORIZE, **parameters_with(**changes))
        if page.status == 200 and "/consent" in page.text:
            page = await there.submit(page.form("/consent"), decision="allow")
        return page


async def check_no_living_grant(scene: Scene, subject: str) -> None:
    """Every grant of the person is revoked."""
    granted = [
        event
        for event in await scene.core.journal.read(0, 1_000_000)
        if event.type == "authorization.granted" and subject in str(event.data)
    ]
    for event in granted[1:]:
        assert (await scene.core.grants.reload(event.stream)).revoked
    assert len(granted) == 2


async def test_consent_withdrawn_meanwhile(scene: Scene) -> None:
    """Who withdraws revokes the grants that there are; one that comes right after is revoked by who gives it."""
    person = await scene.person()
    browser = await scene.visitor(person)
    await scene.code(browser)

    async def withdraw() -> None:
        stream = consent_stream(person.subject, "web-app")
        await scene.append(stream, ConsentWithdrawn(client_id="web-app", subject=person.subject), version=1)

    page = await ask_while(scene, browser, AuthorizationGranted, withdraw)
    assert ("access_denied", scene.core.issuer) == (page.sent_back["error"], page.sent_back["iss"])
    await check_no_living_grant(scene, person.subject)


async def test_signed_out_meanwhile(scene: Scene) -> None:
    """The same holds for who signs out, even of an application that needs no consent."""
    person = await scene.person()
    browser = await scene.visitor(person)
    await scene.code(browser, client_id="house-app")
    session: UUID = parse_handle(SESSION_HANDLE, browser.cookies[SESSION])

    async def sign_out() -> None:
        await scene.append(session, SessionEnded(subject=person.subject, reason="signed_out"), version=1)

    page = await ask_while(scene, browser, AuthorizationGranted, sign_out, client_id="house-app")
    assert page.sent_back["error"] == "access_denied"
    await check_no_living_grant(scene, person.subject)


async def test_consent_given_twice_at_once(scene: Scene) -> None:
    """Two who change one consent at once both have their say."""
    person = await scene.person()
    browser = await scene.visitor(person)

    async def allow_more() -> None:
        granted = ConsentGranted(client_id="web-app", subject=person.subject, scopes=("openid", "pay"))
        await scene.append(consent_stream(person.subject, "web-app"), granted)

    page = await ask_while(scene, browser, ConsentGranted, allow_more)
    assert page.sent_back["code"].startswith("tly_ac_")
    assert {"openid", "pay", "read:users"} == scene.core.state.consents.scopes(person.subject, "web-app")


@pytest.mark.parametrize(
    ("kind", "changes"),
    [(AuthorizationGranted, {}), (ConsentGranted, {}), (AccessRejected, {"prompt": "create"})],
)
async def test_no_answer_without_its_event(scene: Scene, kind: type[Event], changes: dict[str, str]) -> None:
    """What cannot be committed is not answered: no code, and no refusal either (promise 1)."""

    async def fail() -> None:
        raise JournalUnavailable("for the test")

    page = await ask_while(scene, await scene.visitor(), kind, fail, **changes)
    assert (page.status, page.headers["retry-after"]) == (503, "1")
    assert "location" not in page.headers
    assert "tly_ac_" not in page.text

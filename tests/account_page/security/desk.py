"""Somebody at their account page, and what they do there."""

from __future__ import annotations

import html
import json
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp

from projections.accounts import Account
from schema.envelope import RecordedEvent
from schema.events import Event
from schema.streams import account_stream
from service.account_page.security import NOTICES
from service.accounts.vault import kept_password
from service.browser.sign_in_request import SignInRequest
from service.endpoints.core import Core
from service.journal.port import Append
from tests.authenticator import Authenticator
from tests.people import Browser, Form, Page, Person, signed_in

OLD, NEW = "tulip-harbor-92-quilt", "granite 7 lanterns adrift"


class Desk(NamedTuple):
    """A person at their browser, which is signed in, and the worker behind it."""

    core: Core
    http: httpx.AsyncClient
    person: Person
    browser: Browser

    @property
    def account(self) -> Account:
        """The person's account, as the worker knows it."""
        return self.core.state.accounts.by_subject[self.person.subject]

    async def form(self, path: str, **fields: str) -> Form:
        """The form of the account page that goes to a path, with these fields in it."""
        page = await self.browser.get("/account")
        assert page.status == 200, page.text
        return next(
            each for each in page.forms if urlsplit(each.action).path == path and fields.items() <= each.fields.items()
        )

    async def submit(self, path: str, act: str | None = None, **fields: str) -> Page:
        """Send that form."""
        form = await self.form(path, **({} if act is None else {"action": act}))
        return await self.browser.submit(form, **fields)

    async def again(self, amr: tuple[str, ...], auth_time: int | None = None) -> Desk:
        """The same person, signed in anew at another browser."""
        browser = await signed_in(self.core, self.http, self.person, amr, auth_time=auth_time)
        return self._replace(browser=browser)

    async def events(self, after: int = 0) -> list[RecordedEvent]:
        """What is recorded."""
        return await self.core.journal.read(after, 1_000)

    async def reasons(self) -> list[str]:
        """Why requests were refused, in order."""
        found = [each for each in await self.events() if each.type == "access.rejected"]
        return [json.loads(each.data)["reason"] for each in found]

    async def append(self, *events: Event) -> None:
        """Append events of the account, as another worker or a command would."""
        stream = account_stream(self.person.name)
        version = self.core.state.accounts.version_of(stream)
        appended = await self.core.journal.append(Append(stream, version, events))
        await self.core.follower.settled(appended.last)


async def begin(desk: Desk) -> tuple[Page, pyotp.TOTP]:
    """The page on which an authenticator app is added, and the app that has read it."""
    page = await desk.submit("/account/totp", "begin")
    assert page.status == 200, page.text
    secret = page.text.partition('class="secret"><code>')[2].partition("<")[0].replace(" ", "")
    return page, pyotp.TOTP(secret)


async def add_totp(desk: Desk) -> pyotp.TOTP:
    """Add an authenticator app."""
    page, app = await begin(desk)
    done = await desk.browser.submit(page.form("/account/totp"), code=app.now())
    assert notice(done) == "totp_added"
    return app


async def add_passkey(desk: Desk, device: Authenticator, label: str = "My phone") -> Page:
    """Add a passkey."""
    form, options = await passkey_form(desk)
    return await desk.browser.submit(form, credential=device.create(options), label=label)


async def passkey_form(desk: Desk) -> tuple[Form, str]:
    """The form that adds a passkey, and what the browser is asked."""
    page = await desk.browser.get("/account")
    form = next(each for each in page.forms if each.fields.get("action") == "add")
    _, _, options = page.text.partition('data-passkey="create" data-options="')
    return form, html.unescape(options.partition('"')[0])


def new_device(desk: Desk) -> Authenticator:
    """A device that makes a passkey at this server."""
    return Authenticator(desk.browser.origin)


def notice(page: Page) -> str:
    """What the account page is to say of it: a change was made."""
    assert page.status == 303, page.text
    assert urlsplit(page.location).path == "/account", page.location
    (code,) = parse_qs(urlsplit(page.location).query)["done"]
    assert code in NOTICES
    return code


def asked_to_sign_in(desk: Desk, page: Page) -> SignInRequest:
    """What they are asked to sign in for."""
    assert (page.status, urlsplit(page.location).path) == (303, "/sign-in"), page.text
    return desk.core.sealer.open(SignInRequest, page.sent_back["request"])


def problem(page: Page) -> str:
    """What the page says is wrong."""
    assert page.status == 400, (page.status, page.text)
    return page.text


async def change_password(desk: Desk, old: str = OLD, new: str = NEW, repeat: str | None = None) -> Page:
    """Open the page and send its form."""
    page = await desk.browser.get("/account/password")
    assert page.status == 200, page.text
    fields = {"old_password": old, "new_password": new, "repeat": new if repeat is None else repeat}
    return await desk.browser.submit(page.form("/account/password"), **fields)


async def is_password(desk: Desk, password: str) -> bool:
    """Whether it signs in to the account."""
    kept = await kept_password(desk.core.journal, desk.person.subject)
    return await desk.core.passwords.verify(kept, password)


def codes_of(page: Page) -> list[str]:
    """The recovery codes on a page."""
    return [each.partition("</code>")[0] for each in page.text.split("<li><code>")[1:]]

"""People for tests: accounts, and a browser that does what a browser does with cookies, redirects and forms."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html.parser import HTMLParser
from http.cookiejar import DefaultCookiePolicy
from typing import NamedTuple
from urllib.parse import parse_qsl, urljoin, urlsplit
from uuid import UUID

import httpx

from schema.events import AccountPasswordSet, AccountRegistered, RoleGranted, SessionStarted
from schema.streams import account_stream, new_stream
from service.accounts.acr import acr_of
from service.accounts.names import new_subject
from service.browser.cookies import SESSION
from service.endpoints.core import Core
from service.journal.port import Append
from service.tokens.handles import SESSION as SESSION_HANDLE
from service.tokens.handles import new_handle

AGENT = "Browser-of-a-test/1.0"
_KEEP = "INSERT INTO vault.passwords (subject, hash) VALUES ($1, $2)"


class Person(NamedTuple):
    """Somebody with an account."""

    subject: str
    name: str
    password: str | None = None
    email: str | None = None


async def register_person(
    core: Core,
    name: str = "zoe",
    *,
    password: str | None = None,
    roles: Sequence[str] = (),
    email: str | None = None,
) -> Person:
    """Register an account as `tallystick account add` does; `name` is in normal form. The worker knows it at once."""
    subject = new_subject()
    events = [
        AccountRegistered(subject=subject, name=name, email=email),
        *(RoleGranted(subject=subject, role=role) for role in roles),
    ]
    if password is not None:
        kept = await core.passwords.hash(subject, password)
        await core.journal.fetch(_KEEP, UUID(subject), kept.hash)
        events.append(AccountPasswordSet(subject=subject))
    appended = await core.journal.append(Append(account_stream(name), 0, tuple(events)))
    await core.follower.settled(appended.last)
    return Person(subject, name, password, email)


class Form(NamedTuple):
    """A form of a page: what it would send, and the named buttons that could send it."""

    action: str
    method: str
    fields: dict[str, str]
    buttons: tuple[tuple[str, str], ...]


class Page(NamedTuple):
    """An answer, and the address that gave it."""

    url: str
    status: int
    headers: httpx.Headers
    text: str

    @property
    def location(self) -> str:
        """Where it redirects to, as an absolute address."""
        return urljoin(self.url, self.headers["location"])

    @property
    def sent_back(self) -> dict[str, str]:
        """The query's parameters of where it redirects to; none of them may be there twice."""
        pairs = parse_qsl(urlsplit(self.location).query, keep_blank_values=True)
        assert len(pairs) == len(dict(pairs)), pairs
        return dict(pairs)

    @property
    def forms(self) -> list[Form]:
        """All forms."""
        parser = _Forms(self.url)
        parser.feed(self.text)
        parser.close()
        return parser.found

    def form(self, path: str | None = None) -> Form:
        """The one form, of those that go to a path."""
        (only,) = [each for each in self.forms if path is None or urlsplit(each.action).path == path]
        return only


class Browser:
    """A browser: its cookies, and requests as it makes them. It follows no redirect unasked, and none to elsewhere.

    `http` may be shared: it keeps no cookies of its own from now on. Its base address is that of the server.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.http = http
        self.cookies: dict[str, str] = {}
        base = str(http.base_url).rstrip("/")
        self.origin = f"{urlsplit(base).scheme}://{urlsplit(base).netloc}"
        self._base = f"{base}/"

    async def get(self, url: str, **query: str | list[str]) -> Page:
        """Open an address: an absolute one, or a path of the server."""
        return await self._send("GET", url, params=query or None)

    async def post(
        self, url: str, fields: dict[str, str] | None = None, *, headers: dict[str, str] | None = None
    ) -> Page:
        """Post a form, as a page of the server would. `headers` replace those that a browser sends."""
        return await self._send("POST", url, data=fields or {}, headers={"origin": self.origin} | (headers or {}))

    async def follow(self, page: Page) -> Page:
        """Go where a page redirects to."""
        assert page.status == 303, (page.status, page.text)
        return await self.get(page.location)

    async def submit(self, form: Form, **fields: str) -> Page:
        """Send a form, some of its fields filled in."""
        content = form.fields | fields
        if form.method == "get":
            return await self.get(form.action, **content)
        return await self.post(form.action, content)

    async def _send(
        self,
        method: str,
        url: str,
        *,
        params: dict[str, str | list[str]] | None = None,
        data: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Page:
        target = url if "://" in url else urljoin(self._base, url.lstrip("/"))
        assert target.startswith(f"{self.origin}/"), f"{target} is elsewhere"
        sent = {"user-agent": AGENT} | (headers or {})
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        response = await self.http.request(
            method, target, params=params, data=data, headers=sent, follow_redirects=False
        )
        for header in response.headers.get_list("set-cookie"):
            self._take(header)
        return Page(str(response.url), response.status_code, response.headers, response.text)

    def _take(self, header: str) -> None:
        """Keep a cookie, or drop it (RFC 6265bis section 5.7); loopback counts as secure, as in Chromium."""
        (pair, *rest) = [part.strip() for part in header.split(";")]
        name, _, value = pair.partition("=")
        attributes = {key.lower(): text for key, _, text in (part.partition("=") for part in rest)}
        if name.startswith("__Host-"):
            assert "secure" in attributes, header
            assert "domain" not in attributes, header
            assert attributes.get("path") == "/", header
        if "max-age" in attributes and int(attributes["max-age"]) <= 0:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value


async def signed_in(
    core: Core,
    http: httpx.AsyncClient,
    person: Person,
    amr: tuple[str, ...] = ("pwd",),
    *,
    auth_time: int | None = None,
    browser: Browser | None = None,
) -> Browser:
    """A browser in which the person has signed in, at `auth_time` (now by default)."""
    session, now = new_stream(), int(time.time())
    handle = new_handle(SESSION_HANDLE, session)
    started = SessionStarted(
        subject=person.subject,
        digest=core.digester.digest(handle),
        auth_time=now if auth_time is None else auth_time,
        expires_at=now + core.settings.session_lifetime,
        amr=amr,
        acr=acr_of(amr),
        user_agent=AGENT,
    )
    await core.journal.append(Append(session, 0, (started,)))
    browser = browser or Browser(http)
    browser.cookies[SESSION] = handle
    return browser


class _Forms(HTMLParser):
    """Reads the forms of a page, the successful controls of each (HTML section 4.10.21)."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._open: Form | None = None
        self._textarea: str | None = None
        self.found: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a form, or note a control of the one that is open."""
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = urljoin(self._url, values.get("action", ""))
            self._open = Form(action, values.get("method", "get").lower(), {}, ())
            self.found.append(self._open)
        elif self._open is not None and values.get("name") and not _disabled(attrs):
            self._control(tag, values, attrs)

    def handle_endtag(self, tag: str) -> None:
        """End a form or a control."""
        if tag == "form":
            self._open = None
        elif tag == "textarea":
            self._textarea = None

    def handle_data(self, data: str) -> None:
        """The text of a text area is its value."""
        if self._open is not None and self._textarea is not None:
            self._open.fields[self._textarea] += data

    def _control(self, tag: str, values: dict[str, str], attrs: list[tuple[str, str | None]]) -> None:
        assert self._open is not None
        name, kind = values["name"], values.get("type", "text").lower()
        if tag == "button" or kind in {"submit", "image"}:
            with_button = self._open._replace(buttons=(*self._open.buttons, (name, values.get("value", ""))))
            self._open = self.found[-1] = with_button
        elif tag == "textarea":
            self._textarea = name
            self._open.fields[name] = ""
        elif tag == "input" and (kind not in {"checkbox", "radio"} or "checked" in dict(attrs)):
            self._open.fields[name] = values.get("value", "on" if kind in {"checkbox", "radio"} else "")


def _disabled(attrs: list[tuple[str, str | None]]) -> bool:
    return "disabled" in dict(attrs)

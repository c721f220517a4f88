"""One request of a browser: who is signed in there, whether its form is one of ours, and the answers it can get."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple
from uuid import UUID

from projections.accounts import Account
from projections.sessions import Session
from service.browser.cookies import (
    BROWSER,
    SESSION,
    browser_cookie,
    is_browser,
    new_browser,
    no_session_cookie,
    session_cookie,
)
from service.endpoints.core import Core
from service.endpoints.exchange import Exchange, endpoint_of
from service.errors import InvalidRequest, MethodNotAllowed
from service.http.endpoint import Endpoint
from service.http.head import Header
from service.http.request import parse_form
from service.http.response import Answers, Response, html, redirect
from service.pages.models import ErrorPage, Page
from service.pages.render import content_security_policy, render
from service.tokens.handles import SESSION as SESSION_HANDLE
from service.tokens.handles import MalformedHandle, parse_handle


class SignedIn(NamedTuple):
    """Who is signed in, and by which session."""

    session_id: UUID
    session: Session
    account: Account


class Visit:
    """A request of a browser. `signed_in` is there once `open` has found a living session."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.core: Core = exchange.core
        self.request = exchange.request
        self.signed_in: SignedIn | None = None
        self._headers: list[Header] = []
        named = self.request.cookies.get(BROWSER)
        if named is not None and is_browser(named):
            self.browser = named
        else:
            self.browser = new_browser()
            self._headers.append(browser_cookie(self.browser))

    async def open(self) -> None:
        """Find out who is signed in, once the worker's state may answer.

        Raises JournalUnavailable or TooManyRequests.
        """
        await self.core.follower.ensure_fresh()
        self.signed_in = await self._find_session(self.request.cookies.get(SESSION))
        if self.signed_in is not None:
            subject = self.signed_in.account.subject
            self.exchange.acts_for(subject)
            self.core.limits.admit_account(self.exchange.endpoint, subject)

    def query(self) -> dict[str, str]:
        """The query's parameters. Raises InvalidRequest."""
        return parse_form(self.request.query)

    async def form(self) -> dict[str, str]:
        """The form's parameters, of a form that this server gave to this browser.

        Raises InvalidRequest, for a forged one too.
        """
        form = await self.request.form(self.core.settings.max_body)
        origin = self.request.headers.get(b"origin")
        if origin is not None and origin.decode("latin-1") != origin_of(self.core.issuer):
            raise InvalidRequest("foreign_origin", "The form came from another site.")
        if not hmac.compare_digest(form.get("csrf", "").encode(), self.csrf().encode()):
            raise InvalidRequest("csrf", "The form is out of date. Go back, load the page again, and try once more.")
        return form

    def csrf(self) -> str:
        """The token that makes a form ours: bound to the browser, and to who is signed in there."""
        session = self.signed_in.session_id if self.signed_in else ""
        return self.core.digester.digest(f"csrf\0{self.browser}\0{session}")

    def start_session(self, handle: str, max_age: int) -> None:
        """Let the answer give the browser a session."""
        self._headers.append(session_cookie(handle, max_age))

    def end_session(self) -> None:
        """Let the answer take the browser's session away."""
        self._headers.append(no_session_cookie())

    def page(self, page: Page, status: int = 200) -> Response:
        """Answer with a page."""
        return page_response(page, status, self._headers)

    def redirect(self, location: str) -> Response:
        """Send the browser on, with GET."""
        return redirect(location, tuple(self._headers))

    async def _find_session(self, cookie: str | None) -> SignedIn | None:
        if cookie is None:
            return None
        try:
            session_id = parse_handle(SESSION_HANDLE, cookie)
        except MalformedHandle:
            return None
        session = await self.core.sessions.get(session_id)
        if session is None:
            return None
        if not self.core.digester.matches(cookie, session.digest):
            # It may have been renewed by another worker a moment ago.
            session = await self.core.sessions.newest(session_id)
            if session is None or not self.core.digester.matches(cookie, session.digest):
                return None
        account = self.core.state.accounts.by_subject.get(session.subject)
        if account is None or not session.alive(account, time.time()):
            return None
        return SignedIn(session_id, session, account)


VisitSteps = Callable[[Visit], Awaitable[Response]]

Methods = tuple[str, ...]
"""The methods that a page takes."""

READ_METHODS: Methods = ("GET", "HEAD")
ACTION_METHODS: Methods = ("POST",)
FORM_METHODS: Methods = (*READ_METHODS, *ACTION_METHODS)


def page_endpoint(core: Core, name: str, steps: VisitSteps, methods: Methods) -> Endpoint:
    """An endpoint that runs the steps of a page and answers whatever comes of them as a page.

    Other methods than `methods` are refused before anything else is looked at.
    """
    return endpoint_of(core, name, partial(_visit, steps, methods), PAGE_ANSWERS)


async def _visit(steps: VisitSteps, methods: Methods, exchange: Exchange) -> Response:
    if exchange.request.method not in methods:
        raise MethodNotAllowed(allowed=", ".join(methods))
    visit = Visit(exchange)
    await visit.open()
    return await steps(visit)


def page_response(page: Page, status: int, headers: list[Header] | tuple[Header, ...] = ()) -> Response:
    """A page as an answer, with its content security policy."""
    policy = content_security_policy(page).encode("ascii")
    return html(status, render(page), ((b"content-security-policy", policy), *headers))


def error_page(status: int, title: str, message: str, headers: tuple[Header, ...] = ()) -> Response:
    """The page that says what cannot be done."""
    return page_response(ErrorPage(title=title, message=message), status, headers)


def origin_of(issuer: str) -> str:
    """Scheme, host and port of the issuer."""
    scheme, _, rest = issuer.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


PAGE_ANSWERS = Answers(
    refusal=lambda rejection: error_page(
        rejection.status, "That did not work", rejection.description, rejection.headers
    ),
    unavailable=lambda seconds: error_page(
        503,
        "Please try again in a moment",
        "The service cannot answer now.",
        ((b"retry-after", str(seconds).encode()),),
    ),
    server_error=lambda: error_page(500, "Something went wrong here", "The fault is ours. Please try again later."),
)

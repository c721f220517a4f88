"""`/account`: a person's own page, which shows what is theirs; what they end is ended by forms of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from service.account_page.apps import app_lines, withdraw_app
from service.account_page.browsers import browser_name
from service.account_page.security import NOTICES
from service.account_page.sessions import LivingSession, end_sessions, living_sessions
from service.accounts.factors import Factors
from service.browser.sign_in_request import SignInRequest, sign_in_first
from service.browser.visit import ACTION_METHODS, READ_METHODS, SignedIn, Visit, VisitSteps, page_endpoint
from service.endpoints.core import Core
from service.http.endpoint import Endpoint
from service.http.response import Response
from service.pages.models import AccountPage, PasskeyLine, SessionLine

_ACCOUNT = "/account"
_NOTICES = NOTICES | {
    "session_ended": "That browser is signed out.",
    "other_sessions_ended": "Every other browser is signed out.",
    "app_withdrawn": "The application may do nothing any more.",
}

OwnerSteps = Callable[[Visit, SignedIn], Awaitable[Response]]


def account_endpoints(core: Core) -> dict[str, Endpoint]:
    """The page and its forms by their paths; who opens the bare address of the server is led to the page."""
    return {
        "/": page_endpoint(core, "account", _lead, READ_METHODS),
        _ACCOUNT: page_endpoint(core, "account", _for_owner(_show), READ_METHODS),
        "/account/sessions/end": page_endpoint(core, "account_sessions", _for_owner(end_sessions), ACTION_METHODS),
        "/account/apps/withdraw": page_endpoint(core, "account_apps", _for_owner(withdraw_app), ACTION_METHODS),
    }


def _for_owner(steps: OwnerSteps) -> VisitSteps:
    async def guarded(visit: Visit) -> Response:
        if visit.signed_in is None:
            return sign_in_first(visit, SignInRequest(return_to=_ACCOUNT))
        return await steps(visit, visit.signed_in)

    return guarded


async def _lead(visit: Visit) -> Response:
    return visit.redirect(_ACCOUNT)


async def _show(visit: Visit, owner: SignedIn) -> Response:
    core, account = visit.core, owner.account
    options, state = Factors(core).new_passkey_request(visit.browser, account)
    page = AccountPage(
        csrf=visit.csrf(),
        account_name=account.name,
        email=account.email or "",
        has_password=account.has_password,
        has_totp=account.has_totp,
        recovery_codes_left=len(account.recovery_digests),
        passkeys=tuple(
            PasskeyLine(credential_id=each.credential_id, label=each.label, added_at=each.added_at)
            for each in account.passkeys
        ),
        sessions=tuple(_session_line(each, owner) for each in await living_sessions(core, account)),
        apps=await app_lines(core, account),
        notice=_NOTICES.get(visit.query().get("done", ""), ""),
        passkey_options=options,
        passkey_state=state,
    )
    return visit.page(page)


def _session_line(living: LivingSession, owner: SignedIn) -> SessionLine:
    return SessionLine(
        session=str(living.session_id),
        signed_in_at=living.session.auth_time,
        expires_at=living.session.expires_at,
        browser=browser_name(living.session.user_agent),
        current=living.session_id == owner.session_id,
    )

"""The first step: the page, name and password, or a passkey alone."""

from __future__ import annotations

from collections.abc import Mapping

from projections.accounts import Account
from service.accounts.factors import amr_of
from service.browser.visit import Visit
from service.http.request import required
from service.http.response import Response
from service.pages.models import SignInPage
from service.sign_in.desk import ACCOUNT, REFUSED, Asked, Desk, asked_by, finish
from service.sign_in.failure import NotProven, login_failed
from service.sign_in.password import find_named, proven
from service.sign_in.second_factor import ask_second_factor

_WRONG_PASSWORD = "Name or password is wrong. Please try again."
_WRONG_PASSKEY = "That passkey did not work. Please try again, or sign in with name and password."


def show_sign_in(desk: Desk, visit: Visit) -> Response:
    """The page; who is signed in and came by themselves has nothing to do there. Raises InvalidRequest."""
    asked = asked_by(visit, visit.query())
    if asked.request is None and visit.signed_in is not None:
        return visit.redirect(ACCOUNT)
    return _page(desk, visit, asked, asked.request.name if asked.request else "")


async def take_password(desk: Desk, visit: Visit) -> Response:
    """Name and password. Raises Rejection or JournalUnavailable."""
    form = await visit.form()
    asked = asked_by(visit, form)
    name, password = required(form, "name"), required(form, "password")
    named = find_named(visit.core, name)
    with desk.throttle.attempt(visit, "pwd", named.key):
        try:
            account = await proven(visit.core, named.account, password)
        except NotProven as failed:
            await login_failed(visit, "pwd", failed.reason, subject=named.subject, name_digest=named.name_digest)
            return _page(desk, visit, asked, name, _WRONG_PASSWORD)
    if account.has_second_factor:
        return ask_second_factor(desk, visit, asked, account)
    return await finish(visit, asked, account, ("pwd",), "pwd")


async def take_passkey_alone(desk: Desk, visit: Visit, asked: Asked, form: Mapping[str, str]) -> Response:
    """A passkey that verified its user: two factors by itself. Raises Rejection or JournalUnavailable."""
    state, credential = required(form, "passkey_state"), required(form, "credential")
    try:
        account, amr = await _by_passkey(desk, visit, state, credential)
    except NotProven as failed:
        await login_failed(visit, "passkey", failed.reason, subject=failed.subject)
        return _page(desk, visit, asked, "", _WRONG_PASSKEY)
    return await finish(visit, asked, account, amr, "passkey")


async def _by_passkey(desk: Desk, visit: Visit, state: str, credential: str) -> tuple[Account, tuple[str, ...]]:
    verified = await desk.factors.verify_passkey(visit.browser, state, credential)
    if verified is None:
        raise NotProven("wrong_passkey")
    account = visit.core.state.accounts.by_subject[verified.subject]
    if not verified.user_verified:
        raise NotProven("user_not_verified", account.subject)
    if not account.enabled:
        raise NotProven("account_disabled", account.subject)
    return account, amr_of(verified)


def _page(desk: Desk, visit: Visit, asked: Asked, name: str, error: str = "") -> Response:
    """Name and password, or a passkey; `error` says that the last try did not succeed."""
    options, state = desk.factors.passkey_request(visit.browser)
    page = SignInPage(
        csrf=visit.csrf(),
        request=asked.sealed,
        client_name=asked.client_name,
        name=name,
        error=error,
        passkey_options=options,
        passkey_state=state,
        form_action=asked.form_action,
    )
    return visit.page(page, REFUSED if error else 200)

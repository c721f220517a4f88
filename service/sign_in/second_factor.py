"""The second factor: a one-time code, a recovery code, or a passkey, after a password that was right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeGuard

from projections.accounts import Account
from service.accounts.factors import amr_of
from service.browser.visit import Visit
from service.errors import InvalidRequest
from service.http.request import required
from service.http.response import Response
from service.pages.models import SecondFactorPage
from service.sign_in.desk import REFUSED, Asked, Desk, asked_by, finish
from service.sign_in.failure import login_failed
from service.sign_in.first_factor import open_first_factor, seal_first_factor

CodeMethod = Literal["otp", "recovery"]

_WRONG_CODE = "That code did not work. Each works once: please try the next one."
_WRONG_PASSKEY = "That passkey did not work. Please try again."


def ask_second_factor(desk: Desk, visit: Visit, asked: Asked, account: Account) -> Response:
    """The password was right: ask for more. Raises InvalidRequest where the account has nothing to ask for here."""
    if not desk.factors.methods(account):
        raise InvalidRequest("no_usable_factor", "No second factor of yours can be used at this address.")
    return second_factor_page(desk, visit, asked, account, seal_first_factor(visit, account, ("pwd",)))


def second_factor_page(
    desk: Desk, visit: Visit, asked: Asked, account: Account, state: str, error: str = ""
) -> Response:
    """The page that asks for it, by whatever the account has; `error` says that the last try did not succeed."""
    options, passkey_state = desk.factors.passkey_request(visit.browser, account)
    page = SecondFactorPage(
        csrf=visit.csrf(),
        state=state,
        methods=desk.factors.methods(account),
        request=asked.sealed,
        client_name=asked.client_name,
        error=error,
        passkey_options=options,
        passkey_state=passkey_state,
        form_action=asked.form_action,
    )
    return visit.page(page, REFUSED if error else 200)


async def take_code(desk: Desk, visit: Visit) -> Response:
    """A one-time code or a recovery code. Raises Rejection or JournalUnavailable."""
    form = await visit.form()
    asked = asked_by(visit, form)
    state, code, method = required(form, "state"), required(form, "code"), required(form, "method")
    account, amr = open_first_factor(visit, state)
    if not _is_code_method(method):
        raise InvalidRequest("unknown_factor", "There is no such second factor.")
    with desk.throttle.attempt(visit, method, account.subject):
        if not await _code_fits(desk, visit, account, method, code):
            await login_failed(visit, method, "wrong_code", subject=account.subject)
            return second_factor_page(desk, visit, asked, account, state, _WRONG_CODE)
    return await finish(visit, asked, account, (*amr, method), method)


async def take_passkey(desk: Desk, visit: Visit, asked: Asked, form: Mapping[str, str]) -> Response:
    """A passkey of the account whose password was right. Raises Rejection or JournalUnavailable."""
    state = required(form, "state")
    account, amr = open_first_factor(visit, state)
    answer = required(form, "passkey_state"), required(form, "credential")
    verified = await desk.factors.verify_passkey(visit.browser, *answer)
    if verified is None or verified.subject != account.subject:
        await login_failed(visit, "passkey", "wrong_passkey", subject=account.subject)
        return second_factor_page(desk, visit, asked, account, state, _WRONG_PASSKEY)
    return await finish(visit, asked, account, (*amr, *amr_of(verified)), "passkey")


async def _code_fits(desk: Desk, visit: Visit, account: Account, method: CodeMethod, code: str) -> bool:
    if method == "otp":
        return await desk.factors.verify_otp(account, code)
    return await desk.factors.use_recovery_code(account, code, visit.exchange.context)


def _is_code_method(method: str) -> TypeGuard[CodeMethod]:
    return method in {"otp", "recovery"}

"""That a password was right, carried from the page of the password to that of the second factor."""

from __future__ import annotations

import hmac
from typing import NoReturn

import msgspec

from projections.accounts import Account
from service.browser.visit import Visit
from service.errors import InvalidRequest
from service.tokens.seal import NotSealed

LIFETIME = 300
"""Seconds in which the second factor must follow."""


class FirstFactor(msgspec.Struct, frozen=True, kw_only=True):
    """Who proved themselves by what, at which browser; sealed.

    `sessions_after` is the account's of that moment: once it has moved, as another password moves it, the proof is
    worth nothing any more.
    """

    subject: str
    amr: tuple[str, ...]
    browser: str
    sessions_after: int


def seal_first_factor(visit: Visit, account: Account, amr: tuple[str, ...]) -> str:
    """The proof as a text, for this browser alone."""
    first = FirstFactor(subject=account.subject, amr=amr, browser=visit.browser, sessions_after=account.sessions_after)
    return visit.core.sealer.seal(first, LIFETIME)


def open_first_factor(visit: Visit, sealed: str) -> tuple[Account, tuple[str, ...]]:
    """The account that a proof is of, and how it was proved. Raises InvalidRequest where it is worth nothing."""
    try:
        first = visit.core.sealer.open(FirstFactor, sealed)
    except NotSealed:
        _start_again("bad_first_factor")
    if not hmac.compare_digest(first.browser.encode(), visit.browser.encode()):
        _start_again("first_factor_of_other_browser")
    account = visit.core.state.accounts.by_subject.get(first.subject)
    if account is None or not account.enabled or account.sessions_after != first.sessions_after:
        _start_again("first_factor_overtaken")
    return account, first.amr


def _start_again(reason: str) -> NoReturn:
    raise InvalidRequest(reason, "This sign-in took too long, or began elsewhere. Please start again.")

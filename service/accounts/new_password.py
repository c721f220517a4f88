"""Whether a password that somebody chose may be one: the rules, and the list of those known from breaches."""

from __future__ import annotations

import asyncio
import logging

from projections.accounts import Account
from service.accounts.breached import BREACHED, BreachedUnreadable, is_breached
from service.accounts.strength import password_problem
from service.journal.port import JournalUnavailable
from service.settings import Settings

log = logging.getLogger(__name__)


async def new_password_problem(settings: Settings, account: Account, password: str) -> str | None:
    """Why it is refused, or None; worked out in a thread.

    Raises JournalUnavailable where there is a list of breached passwords that cannot be read: what cannot be checked is
    not taken.
    """
    try:
        return await asyncio.to_thread(_problem, settings, account, password)
    except BreachedUnreadable as error:
        log.exception("a new password cannot be checked")
        raise JournalUnavailable(str(error)) from error


def _problem(settings: Settings, account: Account, password: str) -> str | None:
    problem = password_problem(password, account.name, account.email or "")
    if problem is None and settings.breached_passwords_file is not None:
        return BREACHED if is_breached(settings.breached_passwords_file, password) else None
    return problem

"""The accounts in the journal, and their passwords in the vault (`service/access/changes.py` says how they change)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from projections.access_model import AccessModel
from projections.accounts import Accounts
from schema.events import AccountPasswordSet, TotpRemoved
from service.access.changes import Changes, derived_keys, open_changes
from service.access.errors import AccessRuleError, Mistake, ModelUnavailable
from service.access.plan import Applied, Plan, Step
from service.accounts.breached import BREACHED, BreachedUnreadable, is_breached
from service.accounts.passwords import Kept, Passwords
from service.accounts.plan import Directory
from service.accounts.vault import PASSWORD_HASH, VaultWrite, forgetting_totp, keeping_password
from service.settings import Settings

Decide = Callable[[Directory], Plan]
"""What to change, given what there is. Pure; raises AccessError for what may not be."""


class AccountStore:
    """The accounts of a database. `passwords` is only called for when one is set; `breached` lists those refused."""

    def __init__(self, changes: Changes, passwords: Callable[[], Passwords], breached: Path | None = None) -> None:
        self._changes = changes
        self._passwords = passwords
        self._breached = breached

    async def directory(self) -> Directory:
        """What there is as of now. Raises ModelUnavailable."""
        directory = Directory(AccessModel(), Accounts())
        await self._changes.read(*directory)
        return directory

    async def change(self, decide: Decide, password: str | None = None) -> Applied:
        """Do what `decide` decides; where that sets a password, it is `password`. On return every worker acts on it.

        When another change comes in between, it decides once more. Raises whatever `decide` raises, AccessRuleError for
        the password that the account has already, ModelUnavailable, or Interrupted once something may be done.
        """
        applied = Applied()
        async with self._changes.alone(applied) as connection:
            attempt = partial(self._decide_and_append, connection, decide, password, applied)
            await self._changes.decided(attempt, applied)
        return applied

    async def _decide_and_append(
        self, connection: asyncpg.Connection[Any], decide: Decide, password: str | None, applied: Applied
    ) -> None:
        for step in decide(await self.directory()).steps:
            if password is not None and (subject := _gets_password(step)):
                kept = await self._new_hash(connection, subject, password)
                position = await self._append_with(connection, step, keeping_password(kept))
            elif subject := _loses_totp(step):
                position = await self._append_with(connection, step, forgetting_totp(subject))
            else:
                position = await self._changes.append(step)
            applied.note(step, position)

    async def _new_hash(self, connection: asyncpg.Connection[Any], subject: str, password: str) -> Kept:
        await self._refuse_breached(password)
        passwords = self._passwords()
        before = await connection.fetchval(PASSWORD_HASH, UUID(subject))
        if before is not None and await passwords.verify(Kept(subject, before), password):
            raise AccessRuleError([Mistake(("password",), "is the one that the account has already")])
        return await passwords.hash(subject, password)

    async def _refuse_breached(self, password: str) -> None:
        if self._breached is None:
            return
        try:
            known = await asyncio.to_thread(is_breached, self._breached, password)
        except BreachedUnreadable as error:
            raise ModelUnavailable(str(error)) from error
        if known:
            raise AccessRuleError([Mistake(("password",), BREACHED)])

    async def _append_with(self, connection: asyncpg.Connection[Any], step: Step, vault: VaultWrite) -> int:
        """What changes in the vault takes effect after the events are committed, and not without them."""
        async with connection.transaction():
            await connection.execute(vault.statement, *vault.arguments)
            return await self._changes.append(step)


@asynccontextmanager
async def open_accounts(settings: Settings, url: str) -> AsyncIterator[AccountStore]:
    """The accounts of the database at `url`, for the body's duration. Raises ModelUnavailable."""
    with ExitStack() as opened:

        @cache
        def passwords() -> Passwords:
            made = Passwords(derived_keys(settings).passwords, settings)
            opened.callback(made.close)
            return made

        async with open_changes(url) as changes:
            yield AccountStore(changes, passwords, settings.breached_passwords_file)


def _gets_password(step: Step) -> str | None:
    """The subject whose password a step sets."""
    return next((event.subject for event in step.events if isinstance(event, AccountPasswordSet)), None)


def _loses_totp(step: Step) -> str | None:
    """The subject whose authenticator app a step removes."""
    return next((event.subject for event in step.events if isinstance(event, TotpRemoved)), None)

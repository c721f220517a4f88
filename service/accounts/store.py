"""The accounts in the journal, and their passwords in the vault (`service/access/changes.py` says how they change)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import cache, partial
from typing import Any
from uuid import UUID

import asyncpg

from projections.access_model import AccessModel
from projections.accounts import Accounts
from schema.events import AccountPasswordSet
from service.access.changes import Changes, derived_keys, open_changes
from service.access.errors import AccessRuleError, Mistake
from service.access.plan import Applied, Plan, Step
from service.accounts.passwords import Kept, Passwords
from service.accounts.plan import Directory
from service.settings import Settings

Decide = Callable[[Directory], Plan]
"""What to change, given what there is. Pure; raises AccessError for what may not be."""

_HASH = "SELECT hash FROM vault.passwords WHERE subject = $1"
_KEEP = """
    INSERT INTO vault.passwords (subject, hash) VALUES ($1, $2)
    ON CONFLICT (subject) DO UPDATE SET hash = excluded.hash
"""


class AccountStore:
    """The accounts of a database. `passwords` is only called for when one is set."""

    def __init__(self, changes: Changes, passwords: Callable[[], Passwords]) -> None:
        self._changes = changes
        self._passwords = passwords

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
                position = await self._append_and_keep(connection, step, kept)
            else:
                position = await self._changes.append(step)
            applied.note(step, position)

    async def _new_hash(self, connection: asyncpg.Connection[Any], subject: str, password: str) -> Kept:
        passwords = self._passwords()
        before = await connection.fetchval(_HASH, UUID(subject))
        if before is not None and await passwords.verify(Kept(subject, before), password):
            raise AccessRuleError([Mistake(("password",), "is the one that the account has already")])
        return await passwords.hash(subject, password)

    async def _append_and_keep(self, connection: asyncpg.Connection[Any], step: Step, kept: Kept) -> int:
        """The hash takes effect after its event is committed, and not without it."""
        async with connection.transaction():
            await connection.execute(_KEEP, UUID(kept.subject), kept.hash)
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
            yield AccountStore(changes, passwords)


def _gets_password(step: Step) -> str | None:
    """The subject whose password a step sets."""
    return next((event.subject for event in step.events if isinstance(event, AccountPasswordSet)), None)

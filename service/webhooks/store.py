"""The webhooks in the journal, and their secrets in the vault (`service/access/changes.py` says how they change)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple, TypeVar

import asyncpg

from consumers.webhooks.figures import Figures, webhook_figures
from consumers.webhooks.registry import Webhooks
from consumers.webhooks.sender import Answer
from consumers.webhooks.statements import FORGET
from schema.events import WebhookRegistered, WebhookRemoved, WebhookSecretRotated
from service.access.changes import Changes, derived_keys, open_changes
from service.access.errors import AccessRuleError, Mistake, ModelUnavailable
from service.access.plan import Applied, Step
from service.accounts.vault import VaultWrite
from service.journal.port import JournalError
from service.journal.postgres import close, connect
from service.settings import Settings
from service.webhooks.host import host_warning
from service.webhooks.letters import DeadLetter, dead_letters, redeliver
from service.webhooks.plan import ClientIds, Registry, known_webhook
from service.webhooks.secrets import new_secret, written
from service.webhooks.trial import try_out
from service.webhooks.vault import SECRET, WebhookVault, forgetting

Decide = Callable[[Registry], Step | None]
"""What to change, given what there is. Pure; raises AccessError for what may not be."""
T = TypeVar("T")

_HEAD = "SELECT position FROM journal.head"
_PROGRESS = """
    SELECT substr(name, 9) AS name, position, state, reason FROM projection.progress WHERE name LIKE 'webhook:%'
"""
BEGIN = "INSERT INTO projection.progress (name) VALUES ($1) ON CONFLICT DO NOTHING"
"""How a command makes the row of a webhook; the dispatcher may have made it."""
_ACTED = """
    SELECT position >= $1 AS acted, seen_at < clock_timestamp() - interval '5 seconds' AS silent FROM webhook.dispatcher
"""
_ACTED_SECONDS = 5.0
_SILENT = "nothing is sent now: neither `tallystick consume` nor `tallystick up` runs"
_UNHEARD = "the consumer that sends has not heard of it yet; it will"


class Condition(NamedTuple):
    """How a webhook is: where in the journal, in which state, and its figures."""

    position: int
    state: str
    reason: str
    figures: Figures


class WebhookStore:
    """The webhooks of a database."""

    def __init__(self, changes: Changes, connection: asyncpg.Connection[Any], settings: Settings) -> None:
        self._changes = changes
        self._connection = connection
        self._settings = settings

    async def registry(self) -> Registry:
        """What there is as of now. Raises ModelUnavailable."""
        webhooks, clients = Webhooks(), ClientIds()
        await self._changes.read(webhooks, clients)
        head = await _asked(self._connection.fetchval(_HEAD))
        return Registry(webhooks, clients, head, self._settings.webhook_private_targets)

    async def conditions(self) -> dict[str, Condition]:
        """How each webhook is, by name. Raises ModelUnavailable."""
        figures = {each.name: each for each in await _asked(webhook_figures(self._connection.fetch))}
        rows = {row["name"]: row for row in await _asked(self._connection.fetch(_PROGRESS))}
        return {
            name: Condition(row["position"], row["state"], row["reason"], figures[name])
            for name, row in rows.items()
            if name in figures
        }

    async def change(self, decide: Decide, secret: bytes | None = None) -> Applied:
        """Do what `decide` decides; where that gives a secret, it is `secret` or a new one. On return it is acted upon.

        When another change comes in between, it decides once more. Raises whatever `decide` raises, ModelUnavailable,
        or Interrupted once something may be done.
        """
        applied = Applied()
        async with self._changes.alone(applied) as connection:
            attempt = partial(self._decide_and_append, connection, decide, secret or new_secret(), applied)
            await self._changes.decided(attempt, applied)
            if applied.steps and (unheard := await _acted_upon(connection, applied.position)):
                applied.notes.append(unheard)
        return applied

    async def host_warning(self, url: str) -> str | None:
        """A sentence where the URL's host has no address now. Raises AccessRuleError where it may not be called."""
        return await host_warning(url, private=self._settings.webhook_private_targets)

    async def letters(self, name: str) -> list[DeadLetter]:
        """The dead letters of a webhook. Raises NameUnknown or ModelUnavailable."""
        known_webhook(await self.registry(), name)
        return await _asked(dead_letters(self._connection, name))

    async def redeliver(self, name: str, positions: Sequence[int] | None) -> list[int]:
        """Let dead letters wait once more, all where none are named. Raises NameUnknown, AccessRuleError for one that
        is no dead letter (or no longer in the journal), or ModelUnavailable.
        """
        known = {each.position for each in await self.letters(name) if each.type is not None}
        unknown = sorted(set(positions or ()) - known)
        if unknown:
            listed = ", ".join(map(str, unknown))
            raise AccessRuleError([Mistake(("position",), f"no dead letter that the journal still has: {listed}")])
        return await _asked(redeliver(self._connection, name, positions))

    async def try_out(self, name: str) -> Answer:
        """The answer to a message that is no event. Raises NameUnknown or ModelUnavailable."""
        webhook = known_webhook(await self.registry(), name)
        wrapped = await _asked(self._connection.fetchval(SECRET, name))
        secret = None if wrapped is None else self._vault().unwrap(name, wrapped)
        if secret is None:
            raise ModelUnavailable(f"its secret is not kept; for a new one: tallystick webhook rotate-secret {name}")
        return await try_out(webhook, secret, self._settings)

    async def _decide_and_append(
        self, connection: asyncpg.Connection[Any], decide: Decide, secret: bytes, applied: Applied
    ) -> None:
        step = decide(await self.registry())
        if step is None:
            return
        write = self._vault_write(step, secret)
        if write is None:
            applied.note(step, await self._changes.append(step))
            return
        # What changes in the vault takes effect after the events are committed, and not without them.
        async with connection.transaction():
            await connection.execute(write.statement, *write.arguments)
            position = await self._changes.append(step)
        applied.note(step, position)
        if step.action == "remove":
            await connection.execute(FORGET, step.name, f"webhook:{step.name}")
            return
        applied.secrets[step.name] = written(secret)
        # Readiness knows of it from now on, also where nothing sends.
        await connection.execute(BEGIN, f"webhook:{step.name}")

    def _vault_write(self, step: Step, secret: bytes) -> VaultWrite | None:
        match step.events[0]:
            case WebhookRegistered(name=name):
                return self._vault().keeping(name, secret)
            case WebhookSecretRotated(name=name, previous_expire_at=until):
                return self._vault().rotating(name, secret, until)
            case WebhookRemoved(name=name):
                return forgetting(name)
        return None

    def _vault(self) -> WebhookVault:
        return WebhookVault(derived_keys(self._settings).wrapping)


@asynccontextmanager
async def open_webhooks(settings: Settings, url: str) -> AsyncIterator[WebhookStore]:
    """The webhooks of the database at `url`, for the body's duration. Raises ModelUnavailable."""
    async with open_changes(url) as changes:
        connection = await _asked(connect(url))
        try:
            yield WebhookStore(changes, connection, settings)
        finally:
            await close(connection)


async def _acted_upon(connection: asyncpg.Connection[Any], position: int) -> str | None:
    """Wait until the dispatcher acts on a change; a sentence for people where it does not."""
    until = time.monotonic() + _ACTED_SECONDS
    while time.monotonic() < until:
        row = await connection.fetchrow(_ACTED, position)
        if row is None or row["silent"]:
            return _SILENT
        if row["acted"]:
            return None
        await asyncio.sleep(0.05)
    return _UNHEARD


async def _asked(question: Awaitable[T]) -> T:
    try:
        return await question
    except (JournalError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise ModelUnavailable(str(error)) from error

"""The access model in the journal: load it, append a plan, wait until every worker acts on it.

Changes are made one at a time, under a lock in the database, because what one change may do depends on several streams:
a client may have a scope only while its resource has it. Expected versions guard each stream all the same.
"""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import msgspec

from projections.access_model import AccessModel, Client
from schema.envelope import Context
from schema.events import UnknownEventType
from service.access.check import plan_document
from service.access.difference import difference
from service.access.document import read_document
from service.access.errors import AccessError, Interrupted, ModelUnavailable
from service.access.plan import Applied, Plan, Step
from service.access.secret_files import SecretFiles
from service.journal.barrier import Barrier
from service.journal.port import Append, JournalError, VersionConflict
from service.journal.postgres import PostgresJournal, connect
from service.keys.master import MasterKeyError, load_keys
from service.settings import Settings
from service.tokens.digest import Digester
from service.tokens.handles import new_client_secret

Decide = Callable[[AccessModel], Plan]
"""What to change, given what there is. Pure; raises AccessError for what may not be."""

_LOCK = "SELECT pg_advisory_lock(hashtext('tallystick.access'))"
_LOCK_SECONDS = 30.0
_DEADLINE = 10.0
_ATTEMPTS = 2
_QUEUE = 16


class AppliedFile(NamedTuple):
    """A file that was applied: what it changed, as lines, and the secrets of new clients that no file keeps, by id."""

    lines: list[str]
    secrets: dict[str, str]


class AccessStore:
    """The access model of a database. `digester` is only called for when a secret is made or compared."""

    def __init__(
        self, url: str, journal: PostgresJournal, digester: Callable[[], Digester], files: SecretFiles
    ) -> None:
        self._url = url
        self._journal = journal
        self._barrier = Barrier(journal.fetch)
        self._digester = digester
        self._files = files

    async def model(self) -> AccessModel:
        """The access model as of now. Raises ModelUnavailable."""
        try:
            recorded, _ = await self._journal.read_entities()
        except (JournalError, asyncpg.PostgresError) as error:
            raise ModelUnavailable(str(error)) from error
        model = AccessModel()
        for event in recorded:
            try:
                model.apply(event.fact())
            except (UnknownEventType, msgspec.DecodeError, KeyError) as error:
                raise ModelUnavailable(f"event {event.position} ({event.type}) cannot be read: {error}") from error
        return model

    async def change(
        self,
        decide: Decide,
        *,
        show: Callable[[Plan], None] = lambda _: None,
        secret_files: Mapping[str, str] | None = None,
    ) -> Applied:
        """Do what `decide` decides; `show` is told before it is done.

        Secrets of the clients in `secret_files` (client id to name) are also kept in files. When another change comes
        in between, it decides once more. On return every worker acts on the change.

        Raises whatever `decide` raises, ModelUnavailable, SecretFileError, or Interrupted once something may be done.
        """
        applied = Applied()
        try:
            async with self._alone():
                await self._decide_and_append(decide, show, applied, secret_files or {})
                if secret_files:
                    applied.notes += self._look_after(await self.model(), secret_files)
            if applied.steps:
                await self._barrier.wait(applied.position)
        except (JournalError, asyncpg.PostgresError) as error:
            raise Interrupted(f"{error}; run it again: what is done is not done twice", applied) from error
        except AccessError as error:
            if applied.steps and not isinstance(error, Interrupted):
                raise Interrupted(str(error), applied) from error
            raise
        except asyncio.CancelledError:
            if applied.secrets:
                raise Interrupted("stopped before every worker was known to act on it", applied) from None
            raise
        return applied

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        connection = await self._locked()
        try:
            yield
        finally:
            connection.terminate()

    async def _locked(self) -> asyncpg.Connection[Any]:
        """A connection that holds the lock for as long as it lives."""
        connection = None
        try:
            connection = await connect(self._url)
            await connection.execute(_LOCK, timeout=_LOCK_SECONDS)
        except (JournalError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            if connection is not None:
                connection.terminate()
            reason = "another change is under way; try again" if isinstance(error, TimeoutError) else str(error)
            raise ModelUnavailable(reason) from error
        return connection

    async def _decide_and_append(
        self, decide: Decide, show: Callable[[Plan], None], applied: Applied, secret_files: Mapping[str, str]
    ) -> None:
        for _ in range(_ATTEMPTS):
            plan = decide(await self.model())
            show(plan)
            try:
                await self._append(plan, applied, secret_files)
            except VersionConflict:
                continue
            return
        raise Interrupted("the access model was changed by others at the same time; run it again", applied)

    async def _append(self, plan: Plan, applied: Applied, secret_files: Mapping[str, str]) -> None:
        digester = self._digester() if any(step.needs_secret for step in plan.steps) else None
        for step in plan.steps:
            if digester is not None and step.needs_secret:
                await self._append_with_secret(step, digester, applied, secret_files.get(step.name))
            else:
                await self._append_step(step, applied)

    async def _append_with_secret(self, step: Step, digester: Digester, applied: Applied, file: str | None) -> None:
        secret = new_client_secret()
        if file is not None:
            self._files.stage(file, secret)
        await self._append_step(step._replace(events=step.sealed(digester.digest(secret))), applied)
        applied.secrets[step.name] = secret
        if file is not None:
            self._files.settle(file)

    async def _append_step(self, step: Step, applied: Applied) -> None:
        request = Append(step.stream, step.expected_version, step.events, Context(actor=_actor()))
        appended = await self._journal.append(request)
        applied.steps.append(step)
        applied.position = appended.last

    def _look_after(self, model: AccessModel, secret_files: Mapping[str, str]) -> Iterator[str]:
        """Finish secret files that a killed process began; tell of those that are missing or out of date."""
        for client_id, name in secret_files.items():
            client = model.clients.get(client_id)
            if client is None:
                continue
            self._files.recover(name, partial(self._is_secret_of, client))
            secret = self._files.read(name)
            if secret is None or not self._is_secret_of(client, secret):
                state = "is missing" if secret is None else f"does not hold the secret of {client_id}"
                remedy = f"tallystick client rotate-secret {client_id} --secret-file {name}"
                yield f"{self._files.path(name)} {state}; to have a new one there: {remedy}"

    def _is_secret_of(self, client: Client, secret: str) -> bool:
        digester = self._digester()
        return any(digester.matches(secret, known.digest) for known in client.secrets)


@asynccontextmanager
async def open_store(settings: Settings, url: str, *, make_master_key: bool = False) -> AsyncIterator[AccessStore]:
    """The access model of the database at `url`, for the body's duration.

    `make_master_key` makes the master key of a new home when it is first needed. Raises ModelUnavailable.
    """

    def digester() -> Digester:
        try:
            return Digester(load_keys(settings, create=make_master_key).digests)
        except MasterKeyError as error:
            raise ModelUnavailable(str(error)) from error

    journal = PostgresJournal(url, deadline=_DEADLINE, limit=_QUEUE, batch=_QUEUE)
    try:
        try:
            await journal.start()
        except JournalError as error:
            raise ModelUnavailable(f"{error} (is the database migrated? see: tallystick migrate)") from error
        except asyncpg.PostgresError as error:
            raise ModelUnavailable(f"the database is not of this version: {error}; see: tallystick migrate") from error
        yield AccessStore(url, journal, digester, SecretFiles(settings.home))
    finally:
        await journal.stop()


async def apply_access_file(settings: Settings, path: Path) -> AppliedFile:
    """Apply a file to the database of the settings, removing nothing; for `tallystick up`, which owns the home.

    Raises AccessError; an Interrupted one holds the secrets made until then.
    """
    document = read_document(path)
    if settings.database_url is None:
        raise ModelUnavailable("no database URL")
    shown: list[Plan] = []
    async with open_store(settings, settings.database_url, make_master_key=True) as store:
        applied = await store.change(
            lambda model: plan_document(document, model, prune=False),
            show=shown.append,
            secret_files=document.secret_files,
        )
    lines = [line for plan in shown for line in difference(plan)]
    shown_once = {name: secret for name, secret in applied.secrets.items() if name not in document.secret_files}
    return AppliedFile([*lines, *applied.notes], shown_once)


def _actor() -> str:
    """Who runs this command, as events name them."""
    try:
        return f"cli:{pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:
        return f"cli:uid-{os.geteuid()}"

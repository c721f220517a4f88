"""The access model in the journal: load it, and change it by a plan (`service/access/changes.py` says how)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from projections.access_model import NO_CHANGE, AccessModel, Client
from service.access.changes import Changes, derived_keys, open_changes
from service.access.check import plan_document
from service.access.difference import difference
from service.access.document import read_document
from service.access.errors import ModelUnavailable
from service.access.plan import Applied, Plan, Step
from service.access.secret_files import SecretFiles
from service.settings import Settings
from service.tokens.digest import Digester
from service.tokens.handles import new_client_secret

Decide = Callable[[AccessModel], Plan]
"""What to change, given what there is. Pure; raises AccessError for what may not be."""


class AppliedFile(NamedTuple):
    """A file that was applied: what it changed, as lines, and the secrets of new clients that no file keeps, by id."""

    lines: list[str]
    secrets: dict[str, str]


class AccessStore:
    """The access model of a database. `digester` is only called for when a secret is made or compared."""

    def __init__(self, changes: Changes, digester: Callable[[], Digester], files: SecretFiles) -> None:
        self._changes = changes
        self._digester = digester
        self._files = files

    async def model(self) -> AccessModel:
        """The access model as of now. Raises ModelUnavailable."""
        model = AccessModel()
        await self._changes.read(model, without=NO_CHANGE)
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
        applied, files = Applied(), secret_files or {}
        async with self._changes.alone(applied):
            await self._changes.decided(partial(self._decide_and_append, decide, show, applied, files), applied)
            if files:
                applied.notes += self._look_after(await self.model(), files)
        return applied

    async def _decide_and_append(
        self, decide: Decide, show: Callable[[Plan], None], applied: Applied, secret_files: Mapping[str, str]
    ) -> None:
        plan = decide(await self.model())
        show(plan)
        digester = self._digester() if any(step.needs_secret for step in plan.steps) else None
        for step in plan.steps:
            if digester is not None and step.needs_secret:
                await self._append_with_secret(step, digester, applied, secret_files.get(step.name))
            else:
                applied.note(step, await self._changes.append(step))

    async def _append_with_secret(self, step: Step, digester: Digester, applied: Applied, file: str | None) -> None:
        secret = new_client_secret()
        if file is not None:
            self._files.stage(file, secret)
        sealed = step._replace(events=step.sealed(digester.digest(secret)))
        applied.note(sealed, await self._changes.append(sealed))
        applied.secrets[step.name] = secret
        if file is not None:
            self._files.settle(file)

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
        return Digester(derived_keys(settings, create=make_master_key).digests)

    async with open_changes(url) as changes:
        yield AccessStore(changes, digester, SecretFiles(settings.home))


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

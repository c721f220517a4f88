"""What the commands on the access model and the accounts share: finding the database, reporting, exit codes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from projections.access_model import AccessModel
    from service.access.plan import Applied, Plan
    from service.access.store import AccessStore, Decide
    from service.settings import Settings

T = TypeVar("T")
S = TypeVar("S")


class Mistakes(click.ClickException):
    """Mistakes in a file: shown as they are, one line each, so that editors find the place."""

    def show(self, file: object = None) -> None:  # noqa: ARG002 click's signature
        """Print them to stderr."""
        click.echo(self.message, err=True)


def query(read: Callable[[AccessModel], T]) -> T:
    """What `read` makes of the access model as of now. Raises ClickException, also for an AccessError of `read`."""
    from service.access.store import open_store

    async def work(store: AccessStore) -> T:
        return read(await store.model())

    return run(open_store, work)


def change(
    decide: Decide,
    report: Callable[[Applied], None],
    *,
    show: Callable[[Plan], None] = lambda _: None,
    secret_files: Mapping[str, str] | None = None,
) -> None:
    """Change the access model, then report. What is known to be done is reported also when the rest failed.

    Raises ClickException.
    """
    from service.access.store import open_store

    async def work(store: AccessStore) -> Applied:
        return await store.change(decide, show=show, secret_files=secret_files)

    reported(open_store, work, report)


def reported(
    opened: Callable[[Settings, str], AbstractAsyncContextManager[S]],
    work: Callable[[S], Awaitable[Applied]],
    report: Callable[[Applied], None],
) -> None:
    """Make a change on a store of the database, then report, also what is known to be done when the rest failed.

    Raises ClickException.
    """
    from service.access.errors import Interrupted

    try:
        applied = run(opened, work)
    except click.ClickException as error:
        if isinstance(error.__cause__, Interrupted) and error.__cause__.applied.steps:
            report(error.__cause__.applied)
        raise
    report(applied)


def run(opened: Callable[[Settings, str], AbstractAsyncContextManager[S]], work: Callable[[S], Awaitable[T]]) -> T:
    """The result of `work` on a store of the database that the settings name. Raises ClickException."""
    from service.access.errors import AccessError, AccessFileError
    from service.cli.connect import connected_settings

    settings = connected_settings()

    async def main() -> T:
        async with opened(settings, str(settings.database_url)) as store:
            return await work(store)

    try:
        return asyncio.run(main())
    except AccessFileError as error:
        raise Mistakes(str(error)) from error
    except AccessError as error:
        raise click.ClickException(str(error)) from error

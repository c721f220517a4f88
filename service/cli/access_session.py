"""What the commands on the access model share: finding the database, changing, reporting, exit codes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from projections.access_model import AccessModel
    from service.access.plan import Applied, Plan
    from service.access.store import AccessStore, Decide

T = TypeVar("T")


class Mistakes(click.ClickException):
    """Mistakes in a file: shown as they are, one line each, so that editors find the place."""

    def show(self, file: object = None) -> None:  # noqa: ARG002 click's signature
        """Print them to stderr."""
        click.echo(self.message, err=True)


def query(read: Callable[[AccessModel], T]) -> T:
    """What `read` makes of the access model as of now. Raises ClickException, also for an AccessError of `read`."""

    async def work(store: AccessStore) -> T:
        return read(await store.model())

    return _run(work)


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
    from service.access.errors import Interrupted

    async def work(store: AccessStore) -> Applied:
        return await store.change(decide, show=show, secret_files=secret_files)

    try:
        applied = _run(work)
    except click.ClickException as error:
        if isinstance(error.__cause__, Interrupted) and error.__cause__.applied.steps:
            report(error.__cause__.applied)
        raise
    report(applied)


def _run(work: Callable[[AccessStore], Awaitable[T]]) -> T:
    from service.access.errors import AccessError, AccessFileError
    from service.access.store import open_store
    from service.cli.connect import connected_settings

    settings = connected_settings()

    async def main() -> T:
        async with open_store(settings, str(settings.database_url)) as store:
            return await work(store)

    try:
        return asyncio.run(main())
    except AccessFileError as error:
        raise Mistakes(str(error)) from error
    except AccessError as error:
        raise click.ClickException(str(error)) from error

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
    from service.settings import Settings

T = TypeVar("T")


class Mistakes(click.ClickException):
    """Mistakes in a file: shown as they are, one line each, so that editors find the place."""

    def show(self, file: object = None) -> None:  # noqa: ARG002 click's signature
        """Print them to stderr."""
        click.echo(self.message, err=True)


def settings_in_use() -> Settings:
    """The settings of the environment, or those of the instance that runs on the home. Raises ClickException."""
    import msgspec

    from service.cli.connect import servers
    from service.settings import SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    return msgspec.structs.replace(settings, database_url=servers(settings).database_url)


def query(read: Callable[[AccessModel], T]) -> T:
    """What `read` makes of the access model as of now. Raises ClickException, also for an AccessError of `read`."""

    async def work(store: AccessStore) -> T:
        return read(await store.model())

    return _run(settings_in_use(), work)


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
        applied = _run(settings_in_use(), work)
    except click.ClickException as error:
        if isinstance(error.__cause__, Interrupted) and error.__cause__.applied.steps:
            report(error.__cause__.applied)
        raise
    report(applied)


def _run(settings: Settings, work: Callable[[AccessStore], Awaitable[T]]) -> T:
    from service.access.errors import AccessError, AccessFileError
    from service.access.store import open_store

    async def main() -> T:
        async with open_store(settings, str(settings.database_url)) as store:
            return await work(store)

    try:
        return asyncio.run(main())
    except AccessFileError as error:
        raise Mistakes(str(error)) from error
    except AccessError as error:
        raise click.ClickException(str(error)) from error

"""`tallystick keys`: list, rotate and retire signing keys."""

from __future__ import annotations

import asyncio
import datetime as dt
import getpass
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import click

from schema.envelope import Context

if TYPE_CHECKING:
    from service.journal.postgres import PostgresJournal
    from service.keys.manage import KeyManager
    from service.settings import Settings


class _Opened(NamedTuple):
    journal: PostgresJournal
    manager: KeyManager
    settings: Settings


@click.group()
def keys() -> None:
    """Signing keys: which there are, the next one, and taking one away."""


@keys.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_keys(as_json: bool) -> None:
    """List the keys: next, current, previous and retired."""

    async def work(opened: _Opened) -> None:
        from service.keys.manage import read_keys

        known = (await read_keys(opened.journal)).keys.values()
        rows = [
            {
                "kid": key.kid,
                "alg": key.alg,
                "status": key.status,
                "created": _time(key.created_at),
                "signs_from": _time(key.activates_at),
                "published_until": _time(key.retires_at),
            }
            for key in known
        ]
        if as_json:
            click.echo(json.dumps(rows))
            return
        for row in rows:
            click.echo("  ".join(str(value or "-") for value in row.values()))

    _run(work)


@keys.command()
@click.option("--alg", type=click.Choice(["ES256", "EdDSA", "RS256", "PS256"]), help="Default: TALLYSTICK_SIGNING_ALG.")
@click.option("--now", is_flag=True, help="Sign with it at once, even before verifiers have seen it.")
def rotate(alg: str | None, now: bool) -> None:
    """Publish the next key; it signs once it was published for TALLYSTICK_KEY_PUBLISH_AHEAD seconds."""

    async def work(opened: _Opened) -> None:
        algorithm = alg or opened.settings.signing_alg
        kid = await opened.manager.rotate(algorithm, _context(), now=now)  # type: ignore[arg-type]  # click checked it
        await _settle(opened.journal)
        when = "signs now" if now else "is published; it signs when it has been published long enough"
        click.echo(f"key {kid} {when}")

    _run(work)


@keys.command()
@click.argument("kid")
def retire(kid: str) -> None:
    """Take a key away at once: what it signed is no longer accepted."""

    async def work(opened: _Opened) -> None:
        await opened.manager.retire(kid, _context())
        await _settle(opened.journal)
        click.echo(f"key {kid} is retired")

    _run(work)


def _run(work: Callable[[_Opened], Awaitable[None]]) -> None:
    from service.journal.port import JournalError
    from service.keys.lifecycle import KeyChangeRefused
    from service.keys.master import MasterKeyError
    from service.settings import SettingsError

    async def main() -> None:
        async with _opened() as opened:
            await work(opened)

    try:
        asyncio.run(main())
    except (JournalError, KeyChangeRefused, MasterKeyError, SettingsError) as error:
        raise click.ClickException(str(error) or type(error).__name__) from error


@asynccontextmanager
async def _opened() -> AsyncIterator[_Opened]:
    from service.bootstrap import open_journal
    from service.cli.connect import connected_settings
    from service.keys.manage import KeyManager
    from service.keys.master import load_keys
    from service.keys.vault import Vault

    settings = connected_settings()
    async with open_journal(settings) as journal:
        vault = Vault(journal, load_keys(settings).wrapping)
        yield _Opened(journal, KeyManager(journal, vault, settings.key_publish_ahead), settings)


async def _settle(journal: PostgresJournal) -> None:
    """When the command returns, every worker acts on the change."""
    from service.journal.barrier import Barrier

    await Barrier(journal.fetch).wait(await journal.head())


def _context() -> Context:
    return Context(actor=f"cli:{getpass.getuser()}")


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()

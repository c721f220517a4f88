"""What the commands on accounts share: reading them, changing them, and asking for a password."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from service.access.plan import Applied
    from service.accounts.plan import Directory
    from service.accounts.store import AccountStore, Decide

T = TypeVar("T")

_STDIN_LIMIT = 16_384


def query(read: Callable[[Directory], T]) -> T:
    """What `read` makes of the accounts as of now. Raises ClickException, also for an AccessError of `read`."""
    from service.accounts.store import open_accounts
    from service.cli.access_session import run

    async def work(store: AccountStore) -> T:
        return read(await store.directory())

    return run(open_accounts, work)


def change(decide: Decide, report: Callable[[Applied], None], *, password: str | None = None) -> None:
    """Change an account, then report; `password` is the one that the change sets. Raises ClickException."""
    from service.accounts.store import open_accounts
    from service.cli.access_session import reported

    async def work(store: AccountStore) -> Applied:
        return await store.change(decide, password)

    reported(open_accounts, work, report)


def password_of_stdin() -> str:
    """The password that a program wrote to stdin, without the end of its line. Raises ClickException."""
    written = sys.stdin.buffer.read(_STDIN_LIMIT)
    try:
        return written.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        # Shown as a cause, that error would show the password.
        raise click.ClickException("the password on stdin is not UTF-8") from None


def password_of_terminal() -> str:
    """The password that a person types twice, unseen. Raises UsageError without a terminal."""
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on: use --password-stdin")
    typed: str = click.prompt("New password", hide_input=True, confirmation_prompt="The same once more")
    return typed

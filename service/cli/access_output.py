"""How the commands on the access model print: tables for people, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from service.access.errors import escaped

if TYPE_CHECKING:
    from service.access.plan import Applied

_PIPED_WIDTH = 10_000


def print_json(data: Any) -> None:
    """Print data as JSON, indented, to stdout."""
    click.echo(msgspec.json.format(msgspec.json.encode(data), indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, none: str) -> None:
    """Print rows under their columns; without rows, the line `none`. Long values are folded, never cut."""
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(*(Column(name, overflow="fold") for name in columns), box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text("\n".join(map(escaped, cell.split("\n")))) for cell in row))
    if table.row_count == 0:
        click.echo(none)
        return
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    Console(file=sys.stdout, width=width).print(table)


def print_fields(fields: Mapping[str, str]) -> None:
    """Print named values, whole, one a line."""
    width = max(map(len, fields))
    for name, value in fields.items():
        click.echo(f"{name:<{width}}  {escaped(value)}")


def print_lines(lines: Iterable[str]) -> None:
    """Print a difference: on a terminal green for what is made, yellow for what changes, red for what goes."""
    colours = {"+": "green", "~": "yellow", "-": "red"}
    for line in lines:
        click.secho(line, fg=colours.get(line[:1]))


def print_secrets(secrets: Mapping[str, str]) -> None:
    """Print the secrets of clients; nothing keeps them in clear, so this is the one time."""
    if not secrets:
        return
    click.echo("\nclient secrets, shown this once:")
    width = max(map(len, secrets))
    for client_id, secret in secrets.items():
        click.echo(f"  {client_id:<{width}}  {secret}")


def report_secret(applied: Applied, name: str, done: str, *, as_json: bool, **more: Any) -> None:
    """Print what was done with a client, and its new secret if it has one."""
    if as_json:
        secret = {"client_secret": applied.secrets[name]} if name in applied.secrets else {}
        print_json({"client_id": name, **secret, **more})
        return
    click.echo(done)
    for note in applied.notes:
        click.echo(note)
    print_secrets(applied.secrets)

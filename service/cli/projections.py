"""`tallystick projections`: how far each fold of the journal is, and rebuilding one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from projections.runner import SqlProjection
    from service.projecting.lag import Lag
    from service.settings import Settings

OnProgress = Callable[[int, int], None]
_COLUMNS = ("NAME", "POSITION", "HEAD", "EVENTS BEHIND", "SECONDS BEHIND", "STATE", "REASON")


@click.group()
def projections() -> None:
    """Projections of the journal: how far each is, and rebuilding one."""


@projections.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_projections(as_json: bool) -> None:
    """List all that folds the journal: projections, consumers, the relay and the workers.

    Seconds behind are the age of the oldest event that is not folded yet.
    """
    from service.cli.access_output import print_json, print_table
    from service.cli.connect import connected_settings
    from service.journal.port import JournalError
    from service.projecting.lag import read_lags

    url = str(connected_settings().database_url)
    try:
        lags = asyncio.run(read_lags(url))
    except JournalError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json(lags)
        return
    print_table(_COLUMNS, map(_row, lags), none="nothing folds this journal yet: start tallystick project")


@projections.command()
@click.argument("name")
def rebuild(name: str) -> None:
    """Rebuild a projection from the journal, from its first event on.

    It is built beside the old one, which answers until the new one takes its place. One that is interrupted leaves
    the old one as it was.
    """
    import uvloop

    from projections.runner import RunnerError
    from projections.runner import rebuild as rebuild_beside
    from service.cli.connect import connected_settings

    settings = connected_settings()
    projection = _named(name, settings)
    folded = [0]

    async def work(show: OnProgress) -> None:
        def note(done: int, total: int) -> None:
            folded[0] = done
            show(done, total)

        await rebuild_beside(str(settings.database_url), projection, note)

    try:
        with _progress() as show:
            uvloop.run(work(show))
    except RunnerError as error:
        raise click.ClickException(f"{name} was not rebuilt, the old one stays: {error}") from error
    except KeyboardInterrupt:
        raise click.ClickException(f"{name} was not rebuilt, the old one stays: interrupted") from None
    click.echo(f"{name} is rebuilt from {folded[0]:,} events")


def _named(name: str, settings: Settings) -> SqlProjection:
    from service.projecting.role import sql_projections

    known = {each.name: each for each in sql_projections(settings)}
    if name not in known:
        raise click.BadParameter(f"there is no projection {name!r}; there is: {', '.join(known)}", param_hint="NAME")
    return known[name]


def _row(lag: Lag) -> tuple[str, ...]:
    rebuilt = "" if lag.rebuilt is None else f"being rebuilt: {lag.rebuilt:,} of {lag.head:,} events"
    reason = "; ".join(filter(None, (lag.reason, rebuilt)))
    numbers = (str(lag.position), str(lag.head), str(lag.lag_events), f"{lag.lag_seconds:.1f}")
    return (lag.name, *numbers, lag.state, reason)


@contextlib.contextmanager
def _progress() -> Iterator[OnProgress]:
    """A bar on a terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _, __: None
        return
    columns = (TextColumn("rebuilding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("rebuilding", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)

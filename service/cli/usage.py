"""`tallystick usage`: figures of use, as a table, JSON, CSV or Parquet."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.usage.subjects import SUBJECTS

if TYPE_CHECKING:
    from service.usage.figures import Question
    from service.usage.reading import Figures


@click.command()
@click.argument("subject", type=click.Choice(list(SUBJECTS)), default="figures")
@click.option("--by", metavar="NAMES", help="What to cut the figures by, such as client,scope,day.")
@click.option("--since", metavar="T", help="From here on: 2026-01-31, 2026-01-31T12:00:00Z, or 24h or 7d ago. [7d]")
@click.option("--until", metavar="T", help="Up to here, which no longer counts. [now]")
@click.option(
    "--where", multiple=True, metavar="NAME=VALUE", help="Only figures of this client, scope, … (repeatable)."
)
@click.option("--limit", type=int, metavar="N", help="Rows at most. [10000]")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "csv", "parquet"]),
    default="table",
    show_default=True,
    help="How to print.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to a file.")
def usage(
    subject: str,
    by: str | None,
    since: str | None,
    until: str | None,
    where: tuple[str, ...],
    limit: int | None,
    format_: str,
    as_json: bool,
    output: Path | None,
) -> None:
    """Figures of use: tokens issued, refreshed, revoked and introspected, refusals, sign-ins.

    SUBJECT is what to ask about, `figures` unless another is named. Without --by they are cut as is usual for it; times
    (minute, hour, day, week, month) are in UTC. `--by endpoint`, `error` or `reason` asks about refusals.
    """
    chosen = "json" if as_json else format_
    if chosen == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("parquet is not for a terminal: name a file by --output, or use a pipe")
    asked = _question(subject, by, since, until, where, limit)
    figures = _read(asked)
    _reach(figures)
    if chosen == "table":
        _table(figures, output)
        return
    from service.usage.formats import rendered

    _write(rendered(figures, chosen), output, text=chosen != "parquet")


def _question(
    subject: str, by: str | None, since: str | None, until: str | None, where: tuple[str, ...], limit: int | None
) -> Question:
    import datetime as dt

    from service.usage.figures import LIMIT, BadQuestion, question

    pairs = dict(part.partition("=")[::2] for part in where)
    if not all("=" in part for part in where) or len(pairs) < len(where):
        raise click.BadParameter("is NAME=VALUE, each name once", param_hint="--where")
    try:
        return question(
            subject,
            by,
            since,
            until,
            now=dt.datetime.now(dt.UTC),
            where=pairs,
            limit=LIMIT if limit is None else limit,
        )
    except BadQuestion as bad:
        hint = "--where" if bad.parameter in pairs else f"--{bad.parameter}"
        raise click.BadParameter(bad.problem, param_hint=hint) from None


def _read(asked: Question) -> Figures:
    from service.cli.connect import connected_settings
    from service.journal.port import JournalError
    from service.usage.reading import UsageReader

    url = str(connected_settings().database_url)

    async def read() -> Figures:
        return await UsageReader(url, deadline=300.0).read(asked)

    try:
        return asyncio.run(read())
    except JournalError as error:
        raise click.ClickException(str(error)) from error


def _reach(figures: Figures) -> None:
    """Say on standard error where the figures are not all that one may take them for."""
    behind = figures.head - figures.position
    if figures.position == 0:
        click.echo("nothing is folded yet: tallystick project does that (see tallystick projections list)", err=True)
    elif behind:
        click.echo(f"the figures hold events up to {figures.position:,}; {behind:,} later ones are missing", err=True)
    if figures.truncated:
        click.echo(f"there are more than {len(figures.rows):,} rows: ask for less, or raise --limit", err=True)


def _table(figures: Figures, output: Path | None) -> None:
    from service.cli.access_output import print_table

    if output is not None:
        raise click.UsageError("a table is for people: with --output choose --format json, csv or parquet")
    columns = [name.replace("_", " ").upper() for name in figures.question.columns]
    rows = ([_cell(value, name) for name, value in _named(figures, row)] for row in figures.rows)
    print_table(columns, rows, none=f"no {figures.question.subject.name} {_when(figures.question)}")


def _named(figures: Figures, row: tuple[Any, ...]) -> zip[tuple[str, Any]]:
    return zip(figures.question.columns, row, strict=True)


def _cell(value: Any, name: str) -> str:
    import datetime as dt

    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d" if name in {"day", "week", "month"} else "%Y-%m-%d %H:%M")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _when(asked: Question) -> str:
    if asked.since is None or asked.until is None:
        return "now"
    return f"from {asked.since:%Y-%m-%d %H:%M} to {asked.until:%Y-%m-%d %H:%M} (UTC)"


def _write(data: bytes, output: Path | None, *, text: bool) -> None:
    """To the file, or to standard output as it is."""
    if output is None:
        click.echo(data, nl=text and not data.endswith(b"\n"))
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from error

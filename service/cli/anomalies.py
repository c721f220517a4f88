"""`tallystick anomalies`: what looks like abuse."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from service.cli.moment import moment

if TYPE_CHECKING:
    from service.anomalies.found import Found
    from service.journal.postgres import PostgresJournal
    from service.settings import Settings

T = TypeVar("T")

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_SOURCES_SHOWN = 5
_COLUMNS = ("id", "last", "severity", "rule", "at least", "state", "what")


@click.group()
def anomalies() -> None:
    """What looks like abuse: list, show, acknowledge, and try rules on history."""


@anomalies.command(name="list")
@click.option("--open/--all", "only_open", default=True, help="Those that nobody has acknowledged (default), or all.")
@click.option("--rule", "rules", multiple=True, metavar="RULE", help="Only findings of this rule; repeatable.")
@click.option("--since", metavar="TIME", callback=moment, help="Only what went on since then: a time, or 7d, 12h.")
@_json
def list_anomalies(only_open: bool, rules: tuple[str, ...], since: float | None, as_json: bool) -> None:
    """List the findings, the latest last."""
    from consumers.anomalies.rule import all_rules
    from consumers.anomalies.thresholds import Thresholds
    from service.anomalies.found import read_found
    from service.anomalies.role import rule_names
    from service.cli.access_output import print_json, print_table
    from service.cli.anomalies_replay import require_rules

    everything = _run(read_found)
    require_rules(rules, {*rule_names(lambda: all_rules(Thresholds())), *(each.rule for each in everything)})
    found = [
        each
        for each in everything
        if not (only_open and each.acknowledged) and (not rules or each.rule in rules) and each.last_at >= (since or 0)
    ]
    found.sort(key=lambda each: each.last_at)
    if as_json:
        print_json(found)
        return
    print_table(_COLUMNS, map(_row, found), none="nothing was found" if not only_open else "nothing waits to be seen")


@anomalies.command()
@click.argument("finding", metavar="ID")
@_json
def show(finding: str, as_json: bool) -> None:
    """Show the finding ID, whole, with the events that speak for it; the beginning of an id is enough."""
    from service.anomalies.found import events_at, named, read_found
    from service.cli.access_output import print_fields, print_json
    from service.cli.event_lines import line
    from service.journal.told import as_object

    async def work(journal: PostgresJournal) -> None:
        known = named(await read_found(journal), finding)
        story, evidence = await journal.read_stream(known.id), await events_at(journal, known.evidence)
        if as_json:
            events = {"events": list(map(as_object, story)), "evidence_events": list(map(as_object, evidence))}
            print_json(_object(known) | events)
            return
        print_fields(_fields(known))
        click.echo("\nwhat speaks for it")
        for event in evidence:
            click.echo(line(event))
        click.echo("\nwhat became of it")
        for event in story:
            click.echo(line(event))

    _run(work)


@anomalies.command()
@click.argument("finding", metavar="ID")
@click.option("--note", default="", help="What came of it, for the record.")
def acknowledge(finding: str, note: str) -> None:
    """Say that the finding ID has been seen. What its rule sees of the same thing from now on is a new finding."""
    from service.access.wording import text_problem
    from service.anomalies.found import acknowledge as note_it
    from service.anomalies.found import named, read_found

    if problem := text_problem(note):
        raise click.BadParameter(problem, param_hint="--note")

    async def work(journal: PostgresJournal) -> tuple[Found, bool]:
        known = named(await read_found(journal), finding)
        return known, await note_it(journal, known, note)

    known, now = _run(work)
    click.echo(f"finding {known.id} {'is' if now else 'was already'} acknowledged")


@anomalies.command()
@click.option("--since", metavar="TIME", required=True, callback=moment, help="From when on: a time, or 7d, 12h.")
@click.option("--until", metavar="TIME", callback=moment, help="Up to when; without it, up to now.")
@click.option("--rule", "rules", multiple=True, metavar="RULE", help="Only this rule; repeatable.")
@click.option("--set", "values", multiple=True, metavar="THRESHOLD=VALUE", help="Another threshold; repeatable.")
@_json
def replay(since: float, until: float | None, rules: tuple[str, ...], values: tuple[str, ...], as_json: bool) -> None:
    """Try the rules on the journal's history: what they would have found. Nothing is changed."""
    from service.cli.anomalies_replay import run_replay

    run_replay(since, until, rules, values, as_json=as_json, run=_run_with)


def _run(work: Callable[[PostgresJournal], Awaitable[T]]) -> T:
    return _run_with(lambda _, journal: work(journal))


def _run_with(work: Callable[[Settings, PostgresJournal], Awaitable[T]]) -> T:
    """What `work` makes of the journal of the running instance. Raises ClickException."""
    from consumers.anomalies.judge import Poison
    from service.anomalies.found import FoundError
    from service.bootstrap import open_journal
    from service.cli.connect import connected_settings
    from service.journal.port import JournalError
    from service.settings import SettingsError

    settings = connected_settings()

    async def main() -> T:
        async with open_journal(settings) as journal:
            return await work(settings, journal)

    try:
        return asyncio.run(main())
    except (FoundError, JournalError, Poison, SettingsError) as error:
        raise click.ClickException(str(error)) from error


def _row(found: Found) -> tuple[str, ...]:
    state = "acknowledged" if found.acknowledged else "open"
    return str(found.id), _time(found.last_at), found.severity, found.rule, str(found.count), state, found.summary


def _fields(found: Found) -> dict[str, str]:
    more = len(found.sources) - _SOURCES_SHOWN
    fields: dict[str, str | None] = {
        "finding": str(found.id),
        "what": found.summary,
        "rule": f"{found.rule} ({found.technique})",
        "severity": found.severity,
        "about": found.about,
        "client": found.client_id,
        "subject": found.subject,
        "grant": found.grant_id,
        "sources": ", ".join(found.sources[:_SOURCES_SHOWN]) + (f" and {more} more" if more > 0 else ""),
        "count": f"at least {found.count}",
        "first": _time(found.first_at),
        "last": _time(found.last_at),
        "state": "acknowledged" if found.acknowledged else "open",
        "note": found.note,
        "done": "; ".join(_told(answer) for answer in found.answers),
    }
    return {name: value for name, value in fields.items() if value}


def _told(answer: Any) -> str:
    said = f" ({answer.detail})" if answer.detail else ""
    return f"{answer.response} {answer.target}{said}" if answer.done else f"not {answer.response}{said}"


def _object(found: Found) -> dict[str, Any]:
    import msgspec

    return dict(msgspec.to_builtins(found))


def _time(seconds: int) -> str:
    import datetime as dt

    from service.journal.told import time_of

    return time_of(dt.datetime.fromtimestamp(seconds, dt.UTC), "seconds")

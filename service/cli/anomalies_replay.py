"""`tallystick anomalies replay`: what rules would have found, with a bar while they are tried."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

import click

from consumers.anomalies.findings import Told
from consumers.anomalies.thresholds import Thresholds
from service.access.errors import visible
from service.access.wording import unknown
from service.anomalies.replay import changed_thresholds, replay, summary
from service.anomalies.role import rule_names, rules_of
from service.cli.access_output import print_json
from service.cli.bar import bar
from service.journal.told import time_of
from service.settings import SettingsError, load_thresholds

if TYPE_CHECKING:
    from service.journal.postgres import PostgresJournal
    from service.settings import Settings

Run = Callable[[Callable[["Settings", "PostgresJournal"], Awaitable[list[Told]]]], list[Told]]


def run_replay(
    since: float, until: float | None, rules: tuple[str, ...], values: tuple[str, ...], *, as_json: bool, run: Run
) -> None:
    """Try rules on history and print what they tell. Raises ClickException."""

    async def work(settings: Settings, journal: PostgresJournal) -> list[Told]:
        thresholds = _thresholds(values)
        require_rules(rules, rule_names(rules_of(settings, thresholds)))
        with bar("judging") as progress:
            return await replay(
                journal, settings, thresholds, since=since, until=until, only=frozenset(rules), progress=progress
            )

    told = run(work)
    if as_json:
        print_json({"findings": [_object(each) for each in told], "summary": summary(told)})
        return
    for each in told:
        click.echo(_line(each))
    for rule, count in summary(told).items():
        click.echo(f"{rule}: {count} finding{'' if count == 1 else 's'}")
    if not told:
        click.echo("nothing would have been found")


def require_rules(asked: Iterable[str], known: Collection[str]) -> None:
    """Raise BadParameter for a name that no rule has."""
    for rule in asked:
        if rule not in known:
            raise click.BadParameter(unknown(rule, "no rule", known), param_hint="--rule")


def _thresholds(values: tuple[str, ...]) -> Thresholds:
    kept = load_thresholds()
    try:
        return changed_thresholds(kept, _pairs(values))
    except SettingsError as error:
        raise click.BadParameter(str(error), param_hint="--set") from None


def _pairs(values: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for value in values:
        name, equals, number = value.partition("=")
        if not equals:
            raise click.BadParameter(f"expected THRESHOLD=VALUE, not {value!r}", param_hint="--set")
        pairs[name.strip().lower()] = number.strip()
    return pairs


def _object(told: Told) -> dict[str, Any]:
    fields = {name: getattr(told.event, name) for name in told.event.__struct_fields__}
    return {"id": str(told.stream), "type": told.event.TYPE, "position": told.position, **fields}


def _line(told: Told) -> str:
    import datetime as dt

    at = time_of(dt.datetime.fromtimestamp(told.event.last_at, dt.UTC), "seconds")
    grows = "" if told.number == 1 else " (goes on)"
    event = told.event
    return f"{told.position:>8}  {at}  {event.severity:<8}  {event.rule:<22}  {visible(event.summary)}{grows}"

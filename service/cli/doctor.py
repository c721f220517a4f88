"""`tallystick doctor`: checks the running deployment against RFC 9700 and common mistakes."""

from __future__ import annotations

import asyncio
import logging
from itertools import groupby
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from service.doctor.finding import Finding
    from service.doctor.instance import Deployed

_COLOURS = {"fail": "red", "warn": "yellow", "unknown": "magenta", "info": "cyan", "ok": "green"}
_WIDTH = 100


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of all findings, those that are well too.")
@click.option("-v", "--verbose", is_flag=True, help="Also name each check that found nothing amiss.")
@click.option("--url", metavar="URL", help="Where to ask the server, instead of at the issuer's own address.")
@click.option("--nats-monitoring", metavar="URL", help="NATS' monitoring port. [http://its host:8222]")
def doctor(as_json: bool, verbose: bool, url: str | None, nats_monitoring: str | None) -> None:
    """Check the running deployment against RFC 9700 (OAuth 2.0 security) and common mistakes.

    Each finding tells why it matters and how to mend it; docs/doctor.md lists them all. Nothing is changed, and no
    secret is printed. Exits 1 when something fails.
    """
    from service.doctor.gather import examine

    for name, value in (("--url", url), ("--nats-monitoring", nats_monitoring)):
        if value is not None and not _is_http(value):
            raise click.BadParameter("must be an http:// or https:// address, without a user", param_hint=name)
    deployment = _deployment()
    logging.disable(logging.WARNING)  # what servers refuse when they are tried is a finding, and no line of a log
    findings = asyncio.run(examine(deployment, url=url, monitoring=nats_monitoring))
    if as_json:
        _print_json(findings)
    else:
        _print(findings, verbose=verbose)
    if any(finding.severity == "fail" for finding in findings):
        raise click.exceptions.Exit(1)


def _deployment() -> Deployed:
    from service.cli.connect import checked_settings, nothing_runs
    from service.doctor.instance import deployed
    from service.embedded.errors import EmbeddedError
    from service.embedded.home import Home
    from service.settings import SettingsError

    shell = checked_settings()
    try:
        found = deployed(shell, Home(shell.home).running())
    except (EmbeddedError, SettingsError) as error:
        raise click.ClickException(str(error)) from error
    if found.settings.database_url is None:
        raise nothing_runs(shell)
    return found


def _is_http(url: str) -> bool:
    from service.doctor.places import split

    parts = split(url)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None


def _print_json(findings: list[Finding]) -> None:
    """In ASCII: what servers say must not steer a terminal from within a string either."""
    import json

    import msgspec

    click.echo(json.dumps(msgspec.to_builtins(findings), indent=2).replace("\x7f", "\\u007f"))


def _print(findings: list[Finding], *, verbose: bool) -> None:
    for group, members in groupby(findings, key=lambda finding: finding.group):
        click.secho(f"\n{group}", bold=True)
        every = list(members)
        for finding in every:
            if finding.severity != "ok" or verbose:
                _print_one(finding)
        well = sum(finding.severity == "ok" for finding in every)
        if well and not verbose:
            click.echo(f"  {_tag('ok')} {well} check{'s' * (well > 1)}")
    counts = {tag: sum(finding.severity == tag for finding in findings) for tag in _COLOURS}
    click.echo("\n" + ", ".join(f"{count} {tag}" for tag, count in counts.items()))


def _print_one(finding: Finding) -> None:
    from service.access.errors import escaped

    click.echo(f"  {_tag(finding.severity)} {finding.id}: {escaped(finding.found)}")
    told = {"ok": (), "unknown": (("look", finding.mend),)}
    for word, text in told.get(finding.severity, (("why", finding.why), ("mend", finding.mend))):
        if text:
            first = f"{'':10} {word:<5} "
            click.echo("\n".join(_lines(escaped(text), first)))


def _lines(text: str, first: str) -> list[str]:
    """Lines whose words, such as the names of clients, are whole, under one another."""
    from textwrap import wrap

    lines = wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [(" " * len(first) if number else first) + line for number, line in enumerate(lines)]


def _tag(severity: str) -> str:
    return click.style(f"{severity:<8}", fg=_COLOURS[severity])

"""`tallystick audit`: follow the record of events, show one story, and check that the record is whole."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from consumers.subscriber import Subscriber
    from schema.envelope import RecordedEvent
    from service.cli.connect import Servers
    from service.journal.check import Report

_LAST = 10
_LOOKED_THROUGH = 1_000

Work = Callable[[], Awaitable[None]]
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def audit() -> None:
    """Follow, show and check the record of events."""


@audit.command()
@click.option("--type", "types", metavar="GLOB", help="Only these event types, such as 'token.*'.")
@click.option("--client", metavar="ID", help="Only events of this client.")
@click.option("--from", "start", type=click.IntRange(min=1), metavar="POSITION", help="Begin here, not near the end.")
@click.option("--no-follow", is_flag=True, help="End where the stream ends now.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(("line", "json", "ecs", "ocsf")),
    help="How an event is shown: a line for people, JSON, Elastic Common Schema, Open Cybersecurity Schema Framework.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Append to this file instead, and go on after its last event where it has one.",
)
def tail(
    types: str | None,
    client: str | None,
    start: int | None,
    no_follow: bool,
    kind: str | None,
    as_json: bool,
    into: Path | None,
) -> None:
    """Follow the stream of events: one line each, as they come.

    Without --from it shows the last 10 first (with --type or --client, those among the latest 1,000 events). With
    --into it begins with the first event, or --from, and once the file has events goes on after the last of them.
    """
    from consumers.subscriber import subjects_of
    from service.cli.connect import checked_settings, stream_url

    try:
        subjects = subjects_of(types, client)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--type") from error
    if as_json and kind not in {None, "json"}:
        raise click.BadParameter(f"--json and --format {kind} are two formats: take one", param_hint="--format")
    name = "json" if as_json else kind or ("line" if into is None else "json")
    if into is not None and name == "line":
        raise click.BadParameter("a file is written as json, ecs or ocsf", param_hint="--format")
    url = stream_url(checked_settings())
    with contextlib.suppress(KeyboardInterrupt), _output(name, into) as (show, last):
        begin = start if last is None else last + 1
        if into is not None and begin is None:
            begin = 1
        _run(lambda: _tail(url, subjects, begin, not no_follow, show, resumes=last is not None))


@audit.command()
@click.argument("what", metavar="POSITION|GRANT")
@json_option
def show(what: str, as_json: bool) -> None:
    """Show one event whole, or the story of a grant: its events, and what was refused for its tokens."""
    from service.cli.event_lines import line, page
    from service.journal.story import event_at, grant_of, story_of
    from service.journal.told import as_object

    grant = grant_of(what)
    if grant is None and not what.isdecimal():
        raise click.BadParameter(f"{what!r} is neither a position nor the id of a grant", param_hint="POSITION|GRANT")
    url = _servers(stream=False).database_url

    async def work() -> None:
        events = await (story_of(url, grant) if grant is not None else event_at(url, int(what)))
        if not events:
            raise click.ClickException(f"there is no event of {what}" if grant else f"there is no event at {what}")
        if as_json:
            objects = [as_object(event) for event in events]
            click.echo(_json(objects if grant is not None else objects[0]))
            return
        for event in events:
            click.echo(line(event) if grant is not None else page(event))

    _run(work)


@audit.command()
@json_option
def check(as_json: bool) -> None:
    """Compare journal and stream: dense, equal, complete. Exits 1 on any difference."""
    from service.cli.bar import bar
    from service.journal.check import check as compare

    found = _servers()
    reports: list[Report] = []

    async def work() -> None:
        with bar("comparing") as progress:
            reports.append(
                await compare(
                    found.database_url,
                    str(found.audit_nats_url),
                    progress=progress,
                    say=lambda text: click.echo(text, err=True),
                )
            )

    _run(work)
    click.echo(_json(reports[0]) if as_json else _summary(reports[0]))
    if not reports[0].ok:
        sys.exit(1)


@contextlib.contextmanager
def _output(name: str, into: Path | None) -> Iterator[tuple[Callable[[RecordedEvent], None], int | None]]:
    """What shows or writes an event, and the position of the last that is there already. Raises ClickException."""
    from service.cli.event_file import EventFileError, event_file
    from service.cli.event_formats import FORMATS
    from service.cli.event_lines import line

    if into is None:
        show = line if name == "line" else FORMATS[name].line
        yield (lambda event: click.echo(show(event))), None
        return
    try:
        with event_file(into, FORMATS[name]) as file:
            yield file.append, file.last
    except EventFileError as error:
        raise click.ClickException(str(error)) from error


async def _tail(
    url: str,
    subjects: tuple[str, ...],
    start: int | None,
    follow: bool,
    show: Callable[[RecordedEvent], None],
    *,
    resumes: bool = False,
) -> None:
    from consumers.stream_reader import ALL, stream_ends
    from consumers.subscriber import Subscriber

    ends = await stream_ends(url)
    if ends is None:
        click.echo("there is no stream yet", err=True)
        if follow:
            await _show(Subscriber(url, start - 1 if resumes and start else None, subjects=subjects), show)
        return
    if start is not None and start < ends.first_seq:
        if resumes:
            raise click.ClickException(f"the file goes on at {start}, and the stream begins at {ends.first_seq}")
        click.echo(f"the stream begins at {ends.first_seq}", err=True)
    before_first = ends.first_seq - 1
    if start is not None:
        after = max(start - 1, before_first)
    elif subjects == ALL:
        after = max(ends.last_seq - _LAST, before_first)
    else:
        begin = max(ends.last_seq - _LOOKED_THROUGH, before_first)
        latest: collections.deque[RecordedEvent] = collections.deque(maxlen=_LAST)
        await _show(Subscriber(url, begin, subjects=subjects, until=ends.last_seq, follow=False), latest.append)
        for event in latest:
            show(event)
        after = ends.last_seq
    until = None if follow else ends.last_seq
    await _show(Subscriber(url, after, subjects=subjects, until=until, follow=follow), show)


async def _show(subscriber: Subscriber, show: Callable[[RecordedEvent], None]) -> None:
    async with contextlib.aclosing(subscriber.events()) as events:
        async for event in events:
            show(event)


def _servers(*, stream: bool = True) -> Servers:
    """The servers, with a NATS if the stream is wanted. Raises ClickException."""
    from service.cli.connect import checked_settings, nothing_runs, servers

    settings = checked_settings()
    found = servers(settings)
    if stream and found.audit_nats_url is None:
        raise nothing_runs(settings)
    return found


def _run(work: Work) -> None:
    from consumers.connection import NatsUnavailable
    from consumers.subscriber import SubscriberError
    from service.journal.port import JournalError

    async def main() -> None:
        await work()

    try:
        asyncio.run(main())
    except (NatsUnavailable, SubscriberError, JournalError) as error:
        raise click.ClickException(str(error)) from error


def _summary(report: Report) -> str:
    compared = f"{report.events} events, {report.first}…{report.head}, in {report.seconds:.1f} s"
    if report.ok:
        return click.style("whole", fg="green") + f": journal and stream are dense and equal ({compared})"
    lines = [click.style("not whole", fg="red") + f": {report.differences} differences ({compared})"]
    lines += [f"  {difference}" for difference in report.listed]
    if report.differences > len(report.listed):
        lines.append(f"  and {report.differences - len(report.listed)} more")
    return "\n".join(lines)


def _json(data: Any) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()

"""`tallystick webhook dead-letters`, `redeliver` and `test`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from consumers.webhooks.sender import Answer
    from service.webhooks.letters import DeadLetter
    from service.webhooks.store import WebhookStore


@click.command(name="dead-letters")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def dead_letters(name: str, as_json: bool) -> None:
    """List the events that the webhook NAME did not take, and that are not sent any more."""
    from service.cli.access_output import print_json, print_table
    from service.cli.access_session import run
    from service.webhooks.store import open_webhooks

    async def work(store: WebhookStore) -> list[DeadLetter]:
        return await store.letters(name)

    letters = run(open_webhooks, work)
    if as_json:
        print_json([{**each._asdict(), "died_at": each.died_at.isoformat()} for each in letters])
        return
    columns = ("position", "type", "client", "attempts", "reason", "given up")
    rows = (
        (
            str(each.position),
            each.type or "no longer in the journal",
            each.client or "",
            str(each.attempts),
            each.reason,
            each.died_at.isoformat(timespec="seconds"),
        )
        for each in letters
    )
    print_table(columns, rows, none="no dead letters")


@click.command()
@click.argument("name")
@click.argument("positions", metavar="[POSITION]...", nargs=-1, type=click.IntRange(min=1, max=(1 << 63) - 1))
@click.option("--all", "every", is_flag=True, help="All of them.")
def redeliver(name: str, positions: tuple[int, ...], every: bool) -> None:
    """Send dead letters of the webhook NAME once more: those at the POSITIONs, or all."""
    from service.cli.access_session import run
    from service.webhooks.store import open_webhooks

    if every == bool(positions):
        raise click.UsageError("name positions, or give --all")

    async def work(store: WebhookStore) -> list[int]:
        return await store.redeliver(name, None if every else positions)

    count = len(run(open_webhooks, work))
    click.echo(f"{count} event{' waits' if count == 1 else 's wait'} for webhook {name} again")


@click.command()
@click.argument("name")
def test(name: str) -> None:
    """Send a message of the type tallystick.webhook.test to the webhook NAME, and tell its answer."""
    from service.cli.access_session import run
    from service.webhooks.store import open_webhooks

    async def work(store: WebhookStore) -> Answer:
        return await store.try_out(name)

    answer = run(open_webhooks, work)
    if not answer.taken:
        raise click.ClickException(f"webhook {name} did not take it: {answer.error}")
    click.echo(f"webhook {name} took it: HTTP {answer.status}")

"""`tallystick webhook`: where events are sent by HTTP, and what an endpoint did not take."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from service.cli.duration import duration
from service.cli.webhook_letters import dead_letters, redeliver, test

if TYPE_CHECKING:
    from service.access.plan import Applied, Step
    from service.webhooks.plan import Registry, Wanted

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_secret_stdin = click.option("--secret-stdin", is_flag=True, help="Read its secret (whsec_…) from stdin: one line.")
_types = click.option(
    "--type", "types", multiple=True, metavar="GLOB", help="Only these event types, such as 'token.*'; repeatable."
)
_clients = click.option(
    "--client", "clients", multiple=True, metavar="ID", help="Only events of this client; repeatable."
)
_STDIN_LIMIT = 1_024


def _start(_: click.Context, __: click.Parameter, value: str) -> int | None:
    """A click callback: a position, None for `now`."""
    if value == "now":
        return None
    if not value.isascii() or not value.isdecimal() or not 0 < int(value[:20]) < 1 << 63:
        raise click.BadParameter(f"{value!r} is neither a position nor 'now'")
    return int(value)


@click.group()
def webhook() -> None:
    """Webhooks: events sent by HTTP, signed, at least once, in order for each grant."""


for command in (dead_letters, redeliver, test):
    webhook.add_command(command)


@webhook.command()
@click.argument("name")
@click.argument("url")
@_types
@_clients
@click.option(
    "--from", "start", callback=_start, default="now", metavar="POSITION|now", help="Begin here. Default: now."
)
@_secret_stdin
@_json
def add(
    name: str,
    url: str,
    types: tuple[str, ...],
    clients: tuple[str, ...],
    start: int | None,
    secret_stdin: bool,
    as_json: bool,
) -> None:
    """Send the events to URL, as the webhook NAME. The secret that signs them is shown once.

    The URL is in the record of events: put no secret in it.
    """
    from service.cli.webhook_session import change, report_secret
    from service.webhooks.plan import Wanted, registration

    wanted = Wanted(name, url, types, clients)
    change(
        lambda registry: registration(registry, wanted, start),
        lambda applied: report_secret(applied, name, f"webhook {name} added", as_json=as_json, url=url),
        secret=_given_secret() if secret_stdin else None,
        url=url,
    )


@webhook.command()
@click.argument("name")
@click.option("--url", metavar="URL", help="Another address.")
@_types
@_clients
@click.option("--all-types", is_flag=True, help="Send all event types.")
@click.option("--all-clients", is_flag=True, help="Send the events of all clients.")
def update(
    name: str,
    url: str | None,
    types: tuple[str, ...],
    clients: tuple[str, ...],
    all_types: bool,
    all_clients: bool,
) -> None:
    """Change the address or the filters of the webhook NAME; what is not given stays. What waits is sent."""
    from service.cli.webhook_session import change, report_state

    if (types and all_types) or (clients and all_clients):
        raise click.UsageError("a filter and its --all-… exclude each other")

    def wanted(registry: Registry) -> Wanted:
        from service.webhooks.plan import Wanted, known_webhook

        before = known_webhook(registry, name)
        return Wanted(
            name,
            url or before.url,
            () if all_types else types or before.types,
            () if all_clients else clients or before.clients,
        )

    def decide(registry: Registry) -> Step | None:
        from service.webhooks.plan import update as updating

        return updating(registry, wanted(registry))

    change(decide, lambda applied: report_state(applied, name, "updated", "as it should be"), url=url)


@webhook.command(name="list")
@_json
def list_webhooks(as_json: bool) -> None:
    """List the webhooks."""
    from service.cli.access_output import print_json, print_table
    from service.cli.webhook_session import all_shown

    known = all_shown()
    if as_json:
        print_json(known)
        return
    rows = (
        (
            each["name"],
            each["state"] + (f"\n{each['reason']}" if each["reason"] else ""),
            each["url"],
            "\n".join((*each["types"], *(f"client {client}" for client in each["clients"]))) or "all",
            str(each["position"]),
            *(str(each[name]) for name in ("delivered", "pending", "dead")),
        )
        for each in known
    )
    columns = ("webhook", "state", "url", "events", "position", "delivered", "pending", "dead")
    print_table(columns, rows, none="no webhooks yet")


@webhook.command()
@click.argument("name")
@_json
def show(name: str, as_json: bool) -> None:
    """Show the webhook NAME: its settings, how far it is, what waits and what was given up."""
    from service.cli.access_output import print_fields, print_json
    from service.cli.webhook_session import all_shown

    found = next((each for each in all_shown() if each["name"] == name), None)
    if found is None:
        from service.access.errors import NameUnknown

        raise click.ClickException(str(NameUnknown("webhook", name)))
    if as_json:
        print_json(found)
        return
    print_fields(
        {
            field.replace("_", " "): ", ".join(value) or "all" if isinstance(value, tuple) else str(value or "none")
            for field, value in found.items()
        }
    )


@webhook.command()
@click.argument("name")
@click.option(
    "--overlap", callback=duration, metavar="DURATION", help="How long the older secret signs too, such as 3600 or 24h."
)
@_secret_stdin
@_json
def rotate_secret(name: str, overlap: int | None, secret_stdin: bool, as_json: bool) -> None:
    """Give the webhook NAME a new secret, shown once. The one before signs too for the overlap (24h)."""
    from service.cli.connect import checked_settings
    from service.cli.webhook_session import change, report_secret
    from service.webhooks.plan import rotation

    seconds = checked_settings().secret_overlap if overlap is None else overlap
    until = int(time.time()) + seconds

    def report(applied: Applied) -> None:
        done = f"webhook {name} has a new secret; for {seconds} s the one before it signs too"
        report_secret(applied, name, done, as_json=as_json, previous_expire_at=until)

    secret = _given_secret() if secret_stdin else None
    change(lambda registry: rotation(registry, name, until), report, secret=secret)


@webhook.command()
@click.argument("name")
@click.option("--reason", default="", help="Why, for the record.")
def disable(name: str, reason: str) -> None:
    """Send nothing to the webhook NAME until it is enabled; nothing is lost meanwhile."""
    from service.cli.webhook_session import change, report_state
    from service.webhooks.plan import disabling

    change(
        lambda registry: disabling(registry, name, reason),
        lambda applied: report_state(applied, name, "disabled", "disabled already"),
    )


@webhook.command()
@click.argument("name")
def enable(name: str) -> None:
    """Send to the webhook NAME again, from where it was left."""
    from service.cli.webhook_session import change, report_state
    from service.webhooks.plan import enabling

    change(
        lambda registry: enabling(registry, name),
        lambda applied: report_state(applied, name, "enabled", "enabled already"),
    )


@webhook.command()
@click.argument("name")
def remove(name: str) -> None:
    """Forget the webhook NAME, its secret, and all that waits for it or was given up."""
    from service.cli.webhook_session import change, report_state
    from service.webhooks.plan import removal

    change(lambda registry: removal(registry, name), lambda applied: report_state(applied, name, "removed", ""))


def _given_secret() -> bytes:
    from service.webhooks.secrets import parsed

    try:
        return parsed(sys.stdin.read(_STDIN_LIMIT).removesuffix("\n").removesuffix("\r"))
    except UnicodeDecodeError:
        raise click.ClickException("the secret on stdin is not UTF-8") from None
    except ValueError as error:
        raise click.ClickException(f"the secret on stdin: {error}") from None

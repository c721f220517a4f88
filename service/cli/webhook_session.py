"""What the commands on webhooks share: reading them, changing them, and telling what was done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from consumers.webhooks.registry import Webhook
    from service.access.plan import Applied
    from service.webhooks.store import Condition, Decide, WebhookStore


def change(
    decide: Decide, report: Callable[[Applied], None], *, secret: bytes | None = None, url: str | None = None
) -> None:
    """Change a webhook, then report. `secret` is the one that the change gives, and `url` the address, whose host is
    looked up. Raises ClickException.
    """
    from service.cli.access_session import reported
    from service.webhooks.store import open_webhooks

    async def work(store: WebhookStore) -> Applied:
        warning = await store.host_warning(url) if url else None
        applied = await store.change(decide, secret)
        if warning and applied.steps:
            applied.notes.append(warning)
        return applied

    reported(open_webhooks, work, report)


def all_shown() -> list[dict[str, Any]]:
    """All webhooks as they are shown, by name. Raises ClickException."""
    from service.cli.access_session import run
    from service.webhooks.store import open_webhooks

    async def work(store: WebhookStore) -> list[dict[str, Any]]:
        registry, conditions = await store.registry(), await store.conditions()
        known = sorted(registry.webhooks.by_name.values(), key=lambda each: each.name)
        return [_shown(each, conditions.get(each.name)) for each in known]

    return run(open_webhooks, work)


def report_secret(applied: Applied, name: str, done: str, *, as_json: bool, **more: Any) -> None:
    """Print what was done with a webhook, and its secret."""
    from service.cli.access_output import print_json

    secret = applied.secrets.get(name)
    if as_json:
        print_json({"name": name, **({"secret": secret} if secret else {}), **more})
        _tell_notes(applied)
        return
    click.echo(done)
    _tell_notes(applied)
    if secret:
        click.echo(f"\nits secret, shown this once:\n  {secret}")


def report_state(applied: Applied, name: str, done: str, already: str) -> None:
    """Print that a webhook is as it should be, or was."""
    click.echo(f"webhook {name} is {done}" if applied.steps else f"webhook {name} was {already}")
    _tell_notes(applied)


def _tell_notes(applied: Applied) -> None:
    for note in applied.notes:
        click.echo(note, err=True)


def _shown(webhook: Webhook, condition: Condition | None) -> dict[str, Any]:
    """A webhook as it is shown: settings, state and figures; nothing of its secret."""
    figures = condition.figures if condition else None
    success = figures.last_success if figures else None
    state = condition.state if condition else "starting"
    return {
        "name": webhook.name,
        "url": webhook.url,
        "types": webhook.types,
        "clients": webhook.clients,
        "enabled": webhook.enabled,
        "state": state if webhook.enabled else "disabled",
        "reason": (condition.reason if condition else "") if webhook.enabled else webhook.disabled_reason,
        "position": condition.position if condition else webhook.after,
        "delivered": figures.delivered if figures else 0,
        "pending": figures.pending if figures else 0,
        "dead": figures.dead if figures else 0,
        "last_success": None if success is None else dt.datetime.fromtimestamp(success, dt.UTC).isoformat(),
    }

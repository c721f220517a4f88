"""`tallystick client`: what tokens clients may ask for, whose they may introspect, and their secrets."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from service.cli.client_add import add
from service.cli.duration import duration

if TYPE_CHECKING:
    from projections.access_model import AccessModel, Client
    from service.access.plan import Applied, Plan, Step

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def client() -> None:
    """Clients: what tokens they may ask for, whose they may introspect, and their secrets."""


client.add_command(add)


@client.command(name="list")
@_json
def list_clients(as_json: bool) -> None:
    """List the clients."""
    from service.access.grant_names import written_grant
    from service.cli.access_output import print_json, print_table
    from service.cli.access_session import query

    known = sorted(query(lambda model: tuple(model.clients.values())), key=lambda each: each.client_id)
    if as_json:
        print_json([_shown(each) for each in known])
        return
    rows = (
        (
            "\n".join(filter(None, (each.client_id, each.settings.client_name))),
            "enabled" if each.enabled else "disabled",
            each.settings.auth_method,
            "\n".join(map(written_grant, each.settings.grants)),
            "\n".join((*each.settings.scopes, *(f"role {name}" for name in each.settings.roles))),
            "\n".join((*each.settings.resources, *(f"introspects {uri}" for uri in each.settings.introspects))),
        )
        for each in known
    )
    print_table(("client", "state", "auth method", "grants", "scopes", "resources"), rows, none="no clients yet")


@client.command()
@click.argument("name")
@_json
def show(name: str, as_json: bool) -> None:
    """Show the client NAME: its settings, whether it is enabled, how many secrets it has and until when."""
    from service.cli.access_output import print_fields, print_json
    from service.cli.access_session import query

    shown = query(lambda model: _shown(_known(model, name)))
    if as_json:
        print_json(shown)
        return
    shown["jwks"] = [key.get("kid", key["kty"]) for key in shown["jwks"]]
    shown["secrets"] = [f"until {each['expires_at']}" if each["expires_at"] else "valid" for each in shown["secrets"]]
    print_fields({field: _text(field, value) for field, value in shown.items()})


@client.command()
@click.argument("name")
@click.option(
    "--overlap", callback=duration, metavar="DURATION", help="How long older secrets still work, such as 3600 or 24h."
)
@click.option("--secret-file", metavar="FILE", help="Also keep it in this file of <home>/secrets (mode 0600).")
@_json
def rotate_secret(name: str, overlap: int | None, secret_file: str | None, as_json: bool) -> None:
    """Give the client NAME a new secret, shown once. Older ones work for the overlap (TALLYSTICK_SECRET_OVERLAP)."""
    from service.access.errors import AccessRuleError
    from service.access.plan import Plan, rotation
    from service.access.rules import rotation_mistakes
    from service.cli.access_output import report_secret
    from service.cli.access_session import change
    from service.cli.connect import checked_settings

    seconds = checked_settings().secret_overlap if overlap is None else overlap
    until = int(time.time()) + seconds

    def decide(model: AccessModel) -> Plan:
        known = _known(model, name)
        mistakes = tuple(rotation_mistakes(known.settings, secret_file))
        if mistakes:
            raise AccessRuleError(mistakes)
        return Plan((rotation(model, known, until),))

    def report(applied: Applied) -> None:
        done = f"client {name} has a new secret; the one before it works for {seconds} s, older ones no more"
        report_secret(applied, name, done, as_json=as_json, previous_expire_at=until)

    change(decide, report, secret_files={name: secret_file} if secret_file else None)


@client.command()
@click.argument("name")
@click.option("--reason", default="", help="Why, for the record.")
def disable(name: str, reason: str) -> None:
    """Disable the client NAME: it may do nothing, and its tokens are not active, until it is enabled."""
    from schema.events import ClientDisabled
    from service.access.errors import AccessRuleError, Mistake
    from service.access.plan import client_change
    from service.access.wording import text_problem

    if problem := text_problem(reason):
        raise click.ClickException(str(AccessRuleError([Mistake(("reason",), problem)])))

    def step(model: AccessModel, known: Client) -> Step | None:
        return client_change(model, ClientDisabled(client_id=name, reason=reason)) if known.enabled else None

    _switch(name, step, "disabled")


@client.command()
@click.argument("name")
def enable(name: str) -> None:
    """Enable the client NAME again."""
    from schema.events import ClientEnabled
    from service.access.plan import client_change

    def step(model: AccessModel, known: Client) -> Step | None:
        return None if known.enabled else client_change(model, ClientEnabled(client_id=name))

    _switch(name, step, "enabled")


def _switch(name: str, step_of: Callable[[AccessModel, Client], Step | None], state: str) -> None:
    from service.access.plan import Plan
    from service.cli.access_session import change

    def decide(model: AccessModel) -> Plan:
        step = step_of(model, _known(model, name))
        return Plan((step,) if step else ())

    def report(applied: Applied) -> None:
        click.echo(f"client {name} {'is' if applied.steps else 'was already'} {state}")

    change(decide, report)


def _known(model: AccessModel, name: str) -> Client:
    from service.access.errors import NameUnknown

    if name not in model.clients:
        raise NameUnknown("client", name)
    return model.clients[name]


def _shown(known: Client) -> dict[str, Any]:
    """A client as shown: no digest, and of its secrets those that still work."""
    from service.access.plan import SETTINGS

    now = time.time()
    valid = [secret for secret in known.secrets if secret.expires_at is None or secret.expires_at > now]
    return {
        "client_id": known.client_id,
        "enabled": known.enabled,
        **{name: getattr(known.settings, name) for name in SETTINGS},
        "secrets": [{"expires_at": _time(secret.expires_at)} for secret in valid],
    }


def _time(seconds: int | None) -> str | None:
    import datetime as dt

    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


def _text(field: str, value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None and field == "access_token_lifetime":
        return "the server's"
    return str(value or "none")

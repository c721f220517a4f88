"""`tallystick resource`: APIs by their audience URI, and their scopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from projections.access_model import AccessModel, Resource


@click.group()
def resource() -> None:
    """APIs by their audience URI, and the scopes of each."""


@resource.command()
@click.argument("uri")
@click.option("--scope", "scopes", multiple=True, metavar="NAME=DESCRIPTION", help="A scope of it; repeatable.")
def add(uri: str, scopes: tuple[str, ...]) -> None:
    """Add the resource URI."""
    from service.access.check import plan_addition
    from service.access.errors import NameTaken
    from service.access.plan import Plan, Wanted
    from service.cli.access_session import change

    described = _described(scopes)

    def decide(model: AccessModel) -> Plan:
        if uri in model.resources:
            raise NameTaken("resource", uri)
        return plan_addition(model, Wanted(resources={uri: described}))

    change(decide, lambda _: click.echo(f"resource {uri} added"))


@resource.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_resources(as_json: bool) -> None:
    """List the resources and their scopes."""
    from service.cli.access_output import print_json, print_table
    from service.cli.access_session import query

    known = sorted(query(lambda model: tuple(model.resources.values())), key=lambda each: each.uri)
    if as_json:
        print_json([_shown(each) for each in known])
        return
    rows = ((each.uri, "\n".join(sorted(each.scopes))) for each in known)
    print_table(("resource", "scopes"), rows, none="no resources yet")


@resource.command()
@click.argument("uri")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(uri: str, as_json: bool) -> None:
    """Show the scopes of the resource URI, and which clients have it or introspect it."""
    from service.cli.access_output import print_fields, print_json, print_table
    from service.cli.access_session import query

    shown = query(lambda model: _shown_with_clients(model, uri))
    if as_json:
        print_json(shown)
        return
    clients = {name: ", ".join(shown[name]) or "none" for name in ("clients", "introspected_by")}
    print_fields({"uri": uri} | clients)
    print_table(("scope", "description"), shown["scopes"].items(), none="no scopes")


def _described(scopes: tuple[str, ...]) -> dict[str, str]:
    described: dict[str, str] = {}
    for scope in scopes:
        name, _, description = scope.partition("=")
        if name in described:
            raise click.UsageError(f'the scope "{name}" is there twice')
        described[name] = description
    return described


def _shown(resource: Resource) -> dict[str, Any]:
    return {"uri": resource.uri, "scopes": resource.scopes}


def _shown_with_clients(model: AccessModel, uri: str) -> dict[str, Any]:
    from service.access.errors import NameUnknown

    if uri not in model.resources:
        raise NameUnknown("resource", uri)
    every = sorted(model.clients.items())
    return {
        **_shown(model.resources[uri]),
        "clients": [client_id for client_id, client in every if uri in client.settings.resources],
        "introspected_by": [client_id for client_id, client in every if uri in client.settings.introspects],
    }

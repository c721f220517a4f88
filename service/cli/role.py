"""`tallystick role`: named gatherings of scopes, and who has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from projections.access_model import AccessModel
    from service.access.plan import Applied


@click.group()
def role() -> None:
    """Roles, which gather scopes, and who has them."""


@role.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="A scope of it; repeatable.")
def add(name: str, scopes: tuple[str, ...]) -> None:
    """Add the role NAME."""
    from service.access.check import plan_addition
    from service.access.errors import NameTaken
    from service.access.plan import Plan, Wanted
    from service.cli.access_session import change

    def decide(model: AccessModel) -> Plan:
        if name in model.roles:
            raise NameTaken("role", name)
        return plan_addition(model, Wanted(roles={name: scopes}))

    change(decide, lambda _: click.echo(f"role {name} added"))


@role.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_roles(as_json: bool) -> None:
    """List the roles and their scopes."""
    from service.cli.access_output import print_json, print_table
    from service.cli.access_session import query

    known = sorted(query(lambda model: tuple(model.roles.values())), key=lambda each: each.name)
    if as_json:
        print_json([{"name": each.name, "scopes": each.scopes} for each in known])
        return
    print_table(("role", "scopes"), ((each.name, "\n".join(each.scopes)) for each in known), none="no roles yet")


@role.command()
@click.argument("name")
@click.argument("role")
def grant(name: str, role: str) -> None:
    """Give the account NAME the role ROLE."""
    from service.accounts.plan import grant as grant_of
    from service.cli.account_session import change

    def report(applied: Applied) -> None:
        click.echo(f"account {name} {'has' if applied.steps else 'had already'} the role {role}")

    change(lambda directory: grant_of(directory, name, role), report)


@role.command()
@click.argument("name")
@click.argument("role")
def withdraw(name: str, role: str) -> None:
    """Take the role ROLE from the account NAME."""
    from service.accounts.plan import withdrawal
    from service.cli.account_session import change

    def report(applied: Applied) -> None:
        click.echo(f"account {name} {'has no longer' if applied.steps else 'did not have'} the role {role}")

    change(lambda directory: withdrawal(directory, name, role), report)

"""`tallystick account`: people, their passwords and roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from projections.accounts import Account
    from service.access.plan import Applied

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_password_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from stdin: one line.")


@click.group()
def account() -> None:
    """Accounts: people, their passwords and roles."""


@account.command()
@click.argument("name")
@click.option("--email", metavar="EMAIL", help="Their email address.")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="A role that they have; repeatable.")
@_password_stdin
def add(name: str, email: str | None, roles: tuple[str, ...], password_stdin: bool) -> None:
    """Add the account NAME. Upper and lower case are the same in names."""
    from service.accounts.names import new_subject
    from service.accounts.plan import NewAccount, registration
    from service.cli.account_session import change, password_of_stdin

    password = password_of_stdin() if password_stdin else None
    new = NewAccount(new_subject(), name, email, roles, password)

    def report(applied: Applied) -> None:
        known = applied.steps[0].name
        click.echo(f"account {known} added")
        if password is None:
            click.echo(f"it cannot sign in by password yet; to set one: tallystick account set-password {known}")

    change(lambda directory: registration(directory, new), report, password=password)


@account.command(name="list")
@_json
def list_accounts(as_json: bool) -> None:
    """List the accounts."""
    from service.cli.access_output import print_json, print_table
    from service.cli.account_session import query

    known = sorted(query(lambda directory: tuple(directory.accounts.by_subject.values())), key=lambda each: each.name)
    if as_json:
        print_json([_shown(each) for each in known])
        return
    rows = (
        (
            each.name,
            "enabled" if each.enabled else "disabled",
            each.email or "",
            "set" if each.has_password else "none",
            "\n".join(sorted(each.roles)),
        )
        for each in known
    )
    print_table(("account", "state", "email", "password", "roles"), rows, none="no accounts yet")


@account.command()
@click.argument("name")
@_json
def show(name: str, as_json: bool) -> None:
    """Show the account NAME: subject, email address, roles, and what it can sign in by."""
    from service.accounts.plan import known_account
    from service.cli.access_output import print_fields, print_json
    from service.cli.account_session import query

    shown = query(lambda directory: _shown(known_account(directory, name)))
    if as_json:
        print_json(shown)
        return
    print_fields({field.replace("_", " "): _text(value) for field, value in shown.items()})


@account.command()
@click.argument("name")
@click.option("--reason", default="", help="Why, for the record.")
def disable(name: str, reason: str) -> None:
    """Disable the account NAME: it may not sign in until it is enabled."""
    from service.accounts.plan import disabling
    from service.cli.account_session import change

    change(lambda directory: disabling(directory, name, reason), lambda applied: _tell(applied, name, "disabled"))


@account.command()
@click.argument("name")
def enable(name: str) -> None:
    """Enable the account NAME again."""
    from service.accounts.plan import enabling
    from service.cli.account_session import change

    change(lambda directory: enabling(directory, name), lambda applied: _tell(applied, name, "enabled"))


@account.command()
@click.argument("name")
@_password_stdin
def set_password(name: str, password_stdin: bool) -> None:
    """Give the account NAME a new password, typed twice on the terminal or read from stdin; the old one ends."""
    from service.accounts.plan import new_password
    from service.cli.account_session import change, password_of_stdin, password_of_terminal

    password = password_of_stdin() if password_stdin else password_of_terminal()
    change(
        lambda directory: new_password(directory, name, password),
        lambda _: click.echo(f"account {name} has a new password"),
        password=password,
    )


@account.command()
@click.argument("name")
@click.option("--reason", default="", help="Why, for the record.")
def sign_out(name: str, reason: str) -> None:
    """Sign the account NAME out everywhere: its sessions end, and what it allowed applications does too."""
    from service.accounts.plan import signing_out
    from service.cli.account_session import change

    change(
        lambda directory: signing_out(directory, name, reason),
        lambda applied: click.echo(f"account {applied.steps[0].name} is signed out everywhere"),
    )


@account.command()
@click.argument("name")
def reset_factors(name: str) -> None:
    """Take authenticator app, passkeys and recovery codes from the account NAME; its password alone signs in then."""
    from service.accounts.plan import factors_reset
    from service.cli.account_session import change

    change(
        lambda directory: factors_reset(directory, name),
        lambda applied: click.echo(
            f"account {name} {'has' if applied.steps else 'had already'} nothing but its password to sign in by"
        ),
    )


def _tell(applied: Applied, name: str, state: str) -> None:
    click.echo(f"account {name} {'is' if applied.steps else 'was already'} {state}")


def _shown(known: Account) -> dict[str, Any]:
    return {
        "subject": known.subject,
        "name": known.name,
        "email": known.email,
        "enabled": known.enabled,
        "password": known.has_password,
        "authenticator_app": known.has_totp,
        "passkeys": [each.label for each in known.passkeys],
        "recovery_codes": len(known.recovery_digests),
        "roles": sorted(known.roles),
    }


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value or "none")

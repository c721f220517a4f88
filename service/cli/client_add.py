"""`tallystick client add`: a client by the options of one command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from schema.events import AuthMethod, ClientSettings, SubjectType, TokenFormat
from service.cli.duration import duration

if TYPE_CHECKING:
    from projections.access_model import AccessModel
    from service.access.plan import Applied, Plan

F = TypeVar("F", bound=Callable[..., Any])

_OF_TOKENS = (
    click.option("--grant", "grants", multiple=True, metavar="GRANT", help="A grant type, as client_credentials."),
    click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="A scope that it may ask for."),
    click.option("--role", "roles", multiple=True, metavar="ROLE", help="A role whose scopes it may ask for."),
    click.option("--resource", "resources", multiple=True, metavar="URI", help="An API that its tokens are for."),
    click.option("--introspects", multiple=True, metavar="URI", help="An API whose tokens it may introspect."),
    click.option("--auth-method", type=click.Choice(get_args(AuthMethod)), help="Default: client_secret_basic."),
    click.option(
        "--jwks", type=click.Path(path_type=Path), metavar="FILE", help="Its public keys, for private_key_jwt."
    ),
    click.option("--public", is_flag=True, help="It cannot keep a secret: the same as --auth-method none."),
    click.option("--token-format", type=click.Choice(get_args(TokenFormat)), default="jwt", show_default=True),
    click.option(
        "--access-token-lifetime",
        callback=duration,
        metavar="DURATION",
        help="Such as 600 or 10m; default: the server's.",
    ),
)
_OF_PEOPLE = (
    click.option("--name", "client_name", default="", metavar="TEXT", help="What people are shown; default: NAME."),
    click.option(
        "--redirect-uri",
        "redirect_uris",
        multiple=True,
        metavar="URI",
        help="Where people may be sent back to with a code.",
    ),
    click.option("--first-party", is_flag=True, help="It is your own: people are not asked for their consent."),
    click.option(
        "--refresh-rotation/--no-refresh-rotation",
        default=True,
        show_default=True,
        help="Whether each use of a refresh token gives a new one.",
    ),
    click.option(
        "--subject-type",
        type=click.Choice(get_args(SubjectType)),
        default="public",
        show_default=True,
        help="Whether it calls a person as all others do, or by an id of its own.",
    ),
    click.option(
        "--post-logout-redirect-uri",
        "post_logout_redirect_uris",
        multiple=True,
        metavar="URI",
        help="Where people may be sent back to after they signed out.",
    ),
    click.option("--backchannel-logout-uri", metavar="URI", help="Where it is told that a session ended."),
)


def _options(function: F) -> F:
    for option in reversed((*_OF_TOKENS, *_OF_PEOPLE)):
        function = option(function)
    return function


@click.command()
@click.argument("name")
@_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def add(
    name: str,
    public: bool,
    auth_method: AuthMethod | None,
    jwks: Path | None,
    grants: tuple[str, ...],
    as_json: bool,
    **fields: Any,
) -> None:
    """Add the client NAME. Options that name things can be repeated. A secret, if it has one, is shown once."""
    from service.access.check import plan_addition
    from service.access.errors import NameTaken
    from service.access.grant_names import grant_named
    from service.access.plan import Wanted
    from service.cli.access_output import report_secret
    from service.cli.access_session import change

    if public and auth_method not in {None, "none"}:
        raise click.UsageError("--public and another --auth-method exclude each other")
    method: AuthMethod = "none" if public else auth_method or "client_secret_basic"
    named = tuple(map(grant_named, grants))
    settings = ClientSettings(client_id=name, auth_method=method, jwks=_keys(jwks), grants=named, **fields)

    def decide(model: AccessModel) -> Plan:
        if name in model.clients:
            raise NameTaken("client", name)
        return plan_addition(model, Wanted(clients={name: settings}))

    def report(applied: Applied) -> None:
        report_secret(applied, name, f"client {name} added", as_json=as_json)

    change(decide, report)
    if settings.resources and not settings.grants:
        click.echo("note: without --grant it can get no token", err=True)


def _keys(jwks: Path | None) -> tuple[dict[str, Any], ...]:
    from service.access.errors import AccessFileError
    from service.access.jwks import read_jwks

    try:
        return read_jwks(jwks) if jwks else ()
    except AccessFileError as error:
        raise click.ClickException(str(error)) from error

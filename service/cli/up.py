"""`tallystick up`: the whole product in the foreground."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from service.access.document import read_document
from service.access.errors import AccessError, Interrupted
from service.cli.access_output import print_secrets
from service.cli.hints import hints
from service.embedded.errors import EmbeddedError
from service.embedded.listener import reachable_host
from service.embedded.product import DatabaseUrls, Plan, run
from service.journal.migrate import MigrationError, migrate
from service.journal.port import JournalError
from service.keys.master import MasterKeyError
from service.keys.material import UnwrapError
from service.settings import Settings, SettingsError, load_settings
from service.telemetry.logs import configure_logs

if TYPE_CHECKING:
    from service.http.tls import TlsFiles

APP_ROLE = "tallystick_app"
ANALYST_ROLE = "tallystick_analyst"
ROLES = ("relay", "project", "consume")
"""What runs once beside the workers, each a command of its own."""
_FOR_TRYING = {"TALLYSTICK_HSTS_MAX_AGE": "0"}
"""A browser that has taken a self-signed certificate must not remember to take nothing but HTTPS from that host: what
else is tried there would be out of reach for a year (RFC 6797 section 8.1).
"""
PROGRAM = (sys.executable, "-m", "service.cli.main")


@click.command("up")
@click.option(
    "--home", type=click.Path(path_type=Path), help="Where it keeps its data (TALLYSTICK_HOME, ./.tallystick)."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="0 takes a free port.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Worker processes; they share the port."
)
@click.option("--access", type=click.Path(path_type=Path), help="An access file to apply before the service starts.")
@click.option(
    "--tls-self-signed", is_flag=True, help="Speak HTTPS by a certificate that it signs itself, for trying: <home>/tls."
)
def up(home: Path | None, host: str, port: int, workers: int, access: Path | None, tls_self_signed: bool) -> None:
    """Run everything: PostgreSQL, NATS, the service, its relay, projections and consumers.

    Prints `ready http://HOST:PORT` once it is. Ctrl-C stops it all in order; a second start resumes. Servers named by
    TALLYSTICK_DATABASE_URL and TALLYSTICK_NATS_URL are used instead of embedded ones.
    """
    try:
        if access is not None and not access.is_file():
            raise EmbeddedError(f"there is no access file {access}")
        settings = load_settings()
        configure_logs(settings.log_level, "up")
        place = home or settings.home
        certificate = _certificate(settings, place, host, self_signed=tls_self_signed)
        environment = _FOR_TRYING if tls_self_signed else {}
        asyncio.run(_until_signalled(_plan(settings, place, (host, port), workers, access, certificate, environment)))
    except (EmbeddedError, SettingsError) as error:
        raise click.ClickException(str(error)) from error


async def _until_signalled(plan: Plan) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)  # nohup ignores it
    for number in (signal.SIGINT, signal.SIGTERM, *hangup):
        loop.add_signal_handler(number, stop.set)
    await run(plan, stop)


def _certificate(settings: Settings, home: Path, host: str, *, self_signed: bool) -> Callable[[], TlsFiles | None]:
    """What gives the certificate to speak HTTPS by, which must be one that can be used. Raises EmbeddedError or
    SettingsError.
    """
    from service.http.tls import TlsFiles
    from service.http.tls import self_signed as signed_by_itself

    given = TlsFiles.of(settings)
    if given is not None and self_signed:
        raise EmbeddedError("--tls-self-signed and TALLYSTICK_TLS_CERTIFICATE are two certificates: take one")

    def certificate() -> TlsFiles | None:
        files = signed_by_itself(home / "tls", reachable_host(host)) if self_signed else given
        if files is None:
            return None
        files.context()
        return TlsFiles(files.certificate.resolve(), files.key.resolve())

    return certificate


def _plan(
    settings: Settings,
    home: Path,
    address: tuple[str, int],
    workers: int,
    access: Path | None,
    certificate: Callable[[], TlsFiles | None],
    environment: Mapping[str, str],
) -> Plan:
    return Plan(
        home=home,
        host=address[0],
        port=address[1],
        workers=workers,
        database_url=settings.database_url,
        owner_database_url=settings.migration_url,
        nats_url=settings.nats_url,
        issuer=settings.issuer,
        tls=certificate,
        environment=environment,
        worker=lambda descriptor: (*PROGRAM, "serve", "--fd", str(descriptor)),
        roles={role: (*PROGRAM, role) for role in ROLES},
        migrate=_migrate,
        before_workers=lambda environment: _prepare(access, environment),
        say=_say,
        announce=lambda line: _announce(line, home, access),
    )


def _say(line: str) -> None:
    with suppress(OSError):  # a terminal that has gone must not stop the stopping
        click.echo(f"tallystick: {line}", err=True)


def _announce(line: str, home: Path, access: Path | None) -> None:
    """Say that it is ready; with an access file also what to try, in lines that can be pasted."""
    click.echo(line)
    if access is not None:
        own = home / "tls" / "certificate.pem"
        url = line.removeprefix("ready ")
        for hint in hints(read_document(access), home, url, own if url.startswith("https:") and own.exists() else None):
            click.echo(hint)
    sys.stdout.flush()


def _migrate(urls: DatabaseUrls) -> None:
    """Bring the database to this version, and let the logins do what the service and its analysts may do."""
    try:
        migrate(urls.owner)
        _grant(urls.owner, APP_ROLE, urls.service)
        if urls.analyst is not None:
            _grant(urls.owner, ANALYST_ROLE, urls.analyst)
    except MigrationError as error:
        raise EmbeddedError(f"the database cannot be brought to this version: {error}") from error
    except psycopg.Error as error:
        raise EmbeddedError(f"the database's logins cannot be granted their roles: {str(error).strip()}") from error


def _grant(owner_url: str, role: str, login_url: str) -> None:
    owner, login = (conninfo_to_dict(url).get("user") for url in (owner_url, login_url))
    if login is None or login == owner:
        return
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(str(login))))


async def _prepare(access: Path | None, environment: Mapping[str, str]) -> None:
    """Before the workers: the master key of a new home, the access file."""
    from service.access.store import apply_access_file
    from service.anomalies.role import check_settings
    from service.bootstrap import ensure_master_key, issuer_of

    settings = load_settings(environment)
    try:
        issuer_of(settings)
        check_settings(settings)
        await ensure_master_key(settings)
        applied = None if access is None else await apply_access_file(settings, access)
    except Interrupted as error:
        print_secrets(error.applied.secrets)
        raise EmbeddedError(str(error)) from error
    except (AccessError, MasterKeyError, UnwrapError, JournalError, SettingsError) as error:
        raise EmbeddedError(str(error)) from error
    if applied is None:
        return
    for line in applied.lines:
        click.echo(line)
    print_secrets(applied.secrets)

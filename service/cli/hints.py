"""What to try once it is up: lines for a shell, for the clients of an access file whose secrets are kept in files."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from service.access.document import ClientEntry, Document
from service.grants import AUTHORIZATION_CODE

_TOKEN = 'sed \'s/.*"access_token":"\\([^"]*\\)".*/\\1/\''


def hints(document: Document, home: Path, url: str, certificate: Path | None = None) -> Iterator[str]:
    """A token, its introspection, its revocation, the audit tail, and how to sign in, where the file has clients for
    it. `certificate` is the one by which the server speaks HTTPS.
    """
    curl = "curl -s" if certificate is None else f"curl -s --cacert {shlex.quote(str(certificate))}"
    service = _first(document, lambda client: "client_credentials" in client.settings.grants)
    resource = service.settings.resources[0] if service and service.settings.resources else None
    api = _first(document, lambda client: resource in client.settings.introspects)
    if service is None or api is None or resource is None:
        return
    yield "\nTry, in another terminal:\n"
    ask = f"-d grant_type=client_credentials -d resource={shlex.quote(resource)} {url}/oauth2/token"
    yield f"  TOKEN=$({curl} -u {_login(service, home)} {ask} | {_TOKEN})"
    yield "  echo $TOKEN"
    yield f"  {curl} -u {_login(api, home)} -d token=$TOKEN {url}/oauth2/introspect; echo"
    yield f"  {curl} -u {_login(service, home)} -d token=$TOKEN {url}/oauth2/revoke; echo"
    yield f"  {curl} -u {_login(api, home)} -d token=$TOKEN {url}/oauth2/introspect; echo"
    where = "" if home == Path(".tallystick") else f"TALLYSTICK_HOME={shlex.quote(str(home))} "
    command = shlex.quote(_command())
    yield f"  {where}{command} audit tail --no-follow"
    yield f"  {where}{command} audit check\n"
    if any(AUTHORIZATION_CODE in client.settings.grants for client in document.clients):
        yield "To sign in, add a person, with a password, and open the account page:\n"
        yield f"  {where}{command} account add zoe"
        yield f"  {where}{command} account set-password zoe"
        yield f"  {url}/account\n"


def _first(document: Document, wanted: Callable[[ClientEntry], bool]) -> ClientEntry | None:
    return next((client for client in document.clients if client.secret_file and wanted(client)), None)


def _login(client: ClientEntry, home: Path) -> str:
    secret = shlex.quote(str(home / "secrets" / str(client.secret_file)))
    return f'"{client.settings.client_id}:$(cat {secret})"'


def _command() -> str:
    """The `tallystick` beside this Python, as short as it can be written from here."""
    command = Path(sys.executable).with_name("tallystick")
    return str(command.relative_to(Path.cwd())) if command.is_relative_to(Path.cwd()) else str(command)

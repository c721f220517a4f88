"""Django OAuth Toolkit (PyPI: django-oauth-toolkit) under gunicorn."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from benchmarks.load import Case
from benchmarks.peers.clients import OPAQUE_WORKER, WEB_APP, Clients, new_secrets
from benchmarks.peers.code_flow import CodeFlow
from benchmarks.peers.installing import ROOT, PythonPackages, run
from benchmarks.peers.peer import CALLBACK, ISSUANCE_OPAQUE, LIFETIME, ROTATION_OPAQUE, SCOPE, USERS
from benchmarks.peers.server import Server
from benchmarks.peers.started import Started
from tests.ports import free_port

_HERE = Path(__file__).parent
_SERVER = "benchmarks.peers.django_oauth_toolkit.server"
_PACKAGES = PythonPackages(_HERE)


class DjangoOAuthToolkit(Started):
    """One gunicorn with one worker."""

    name = "django-oauth-toolkit"
    setting = (
        "DEBUG off, gunicorn (gthread) with one worker of one thread, which is its fastest on one core, SQLite in WAL "
        "mode with synchronous=NORMAL"
    )
    differs: tuple[str, ...] = (
        "opaque tokens only: it signs no access tokens, and has no ES256",
        "a commit is durable against a crash of the process, not of the machine (synchronous=NORMAL)",
        "no record of what was refused or used, and expired tokens are deleted; nothing is published",
        (
            "client secrets are kept in plain text (hash_client_secret off): as it hashes them by default, by PBKDF2, "
            "each request would take a third of a second"
        ),
        "any client may introspect any token",
    )

    _rotation = ROTATION_OPAQUE

    def version(self) -> str:
        """From the lock."""
        return _PACKAGES.version("django-oauth-toolkit")

    def install(self) -> None:
        """By pip, into a .venv of its own."""
        _PACKAGES.install()

    def start(self, folder: Path, core: str) -> None:
        """With a new database."""
        self._url = url = f"http://127.0.0.1:{(port := free_port())}"
        self._clients = Clients(f"{url}/o/token/", f"{url}/o/introspect/", folder, new_secrets(), USERS)
        configuration = folder / "configuration.json"
        options = {"secrets": self._clients.secrets, "hashed_secrets": False, "secret_key": secrets.token_hex(32)}
        options |= {"scope": SCOPE, "callback": CALLBACK, "lifetime": LIFETIME, "database": str(folder / "database")}
        configuration.write_text(json.dumps(options))
        env = {"PEER_CONFIGURATION": str(configuration), "DJANGO_SETTINGS_MODULE": f"{_SERVER}.settings"}
        run([_PACKAGES.python, "-m", f"{_SERVER}.prepare"], ROOT, env)
        command = _PACKAGES.gunicorn(port, f"{_SERVER}.wsgi")
        self._server = Server(command, folder, core, env, cwd=ROOT)
        self._server.wait(f"{url}/ready")
        scope = f"offline_access {SCOPE}"
        secret = self._clients.secrets[WEB_APP]
        self._flow = CodeFlow(f"{url}/o/authorize/", self._clients.token, secret, scope, {"resource": USERS})

    def keys(self) -> str:
        """It has none: nothing is signed."""
        return f"{self._url}/o/.well-known/jwks.json"

    def cases(self, tokens: int) -> list[Case]:
        """All of opaque tokens."""
        return [
            self._clients.issuance(ISSUANCE_OPAQUE, OPAQUE_WORKER),
            self._clients.introspection_of(OPAQUE_WORKER, tokens),
            self._clients.refusal(OPAQUE_WORKER),
        ]

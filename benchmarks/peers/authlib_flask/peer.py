"""Authlib (PyPI: authlib): an authorization server in Flask, under gunicorn, in memory."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.load import Case
from benchmarks.peers.clients import OPAQUE_WORKER, WEB_APP, WORKER, Clients, new_secrets
from benchmarks.peers.code_flow import CodeFlow
from benchmarks.peers.installing import ROOT, PythonPackages
from benchmarks.peers.peer import CALLBACK, ISSUANCE_JWT, ISSUANCE_OPAQUE, LIFETIME, SCOPE, USERS
from benchmarks.peers.server import Server
from benchmarks.peers.started import Started
from tests.ports import free_port

_HERE = Path(__file__).parent
_PACKAGES = PythonPackages(_HERE)


class AuthlibFlask(Started):
    """One gunicorn with one worker."""

    name = "authlib"
    setting = "in Flask, gunicorn (gthread) with one worker of one thread, all state in its memory, ES256 by joserfc"
    differs: tuple[str, ...] = (
        "nothing is durable: a restart forgets every token and grant",
        "no record of what was issued, refused or used; nothing is published",
        "client secrets are kept in plain text, and compared without a digest",
        "it takes no resource indicators: the audience is always the one API",
        "the store is the benchmark's own, in dictionaries: Authlib has none, and expects a database there",
    )

    def version(self) -> str:
        """From the lock."""
        return _PACKAGES.version("authlib")

    def install(self) -> None:
        """By pip, into a .venv of its own."""
        _PACKAGES.install()

    def start(self, folder: Path, core: str) -> None:
        """With a key and secrets of this run alone."""
        self._url = url = f"http://127.0.0.1:{(port := free_port())}"
        self._clients = Clients(f"{url}/token", f"{url}/introspect", folder, new_secrets())
        configuration = folder / "configuration.json"
        options = {"secrets": self._clients.secrets, "scope": SCOPE, "callback": CALLBACK, "lifetime": LIFETIME}
        configuration.write_text(json.dumps(options | {"issuer": url, "resource": USERS}))
        command = _PACKAGES.gunicorn(port, "benchmarks.peers.authlib_flask.server.provider:app")
        self._server = Server(command, folder, core, {"PEER_CONFIGURATION": str(configuration)}, cwd=ROOT)
        self._server.wait(f"{url}/jwks")
        secret = self._clients.secrets[WEB_APP]
        self._flow = CodeFlow(f"{url}/authorize", self._clients.token, secret, f"offline_access {SCOPE}")

    def keys(self) -> str:
        """Served by the program beside Authlib's endpoints."""
        return f"{self._url}/jwks"

    def cases(self, tokens: int) -> list[Case]:
        """Both formats; signed tokens are introspected, by the copy that it keeps of each."""
        return [
            self._clients.issuance(ISSUANCE_JWT, WORKER),
            self._clients.issuance(ISSUANCE_OPAQUE, OPAQUE_WORKER),
            self._clients.introspection_of(WORKER, tokens),
            self._clients.refusal(WORKER),
        ]

"""Keycloak (Maven: org.keycloak:keycloak-quarkus-dist), with its in-memory database and caches."""

from __future__ import annotations

import hashlib
import html
import json
import re
import secrets
import shutil
import zipfile
from pathlib import Path

import httpx

from benchmarks.load import Case
from benchmarks.peers.clients import WEB_APP, WORKER, Clients, new_secrets
from benchmarks.peers.code_flow import CodeFlow
from benchmarks.peers.installing import Stamp, run
from benchmarks.peers.keycloak import realm
from benchmarks.peers.peer import ISSUANCE_JWT, SCOPE, Unavailable
from benchmarks.peers.server import Server
from benchmarks.peers.started import Started
from benchmarks.programs import lacks
from tests.ports import free_port

_HERE = Path(__file__).parent
_INSTALLED = _HERE / ".installed"
_PINNED = _HERE / "pinned.json"
_STAMP = Stamp(_HERE, _PINNED)
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_HEAP = {"JAVA_OPTS_KC_HEAP": "-Xms1400m -Xmx1400m"}
"""As its guide sizes a container of 2 GB; its script's own default outside of containers is 512 MB."""
_BUILD = ["build", "--db=dev-mem", "--features-disabled=persistent-user-sessions"]


class Keycloak(Started):
    """One JVM, with its database in it."""

    name = "keycloak"
    setting = (
        "kc.sh start --optimized over HTTP, H2 in memory, local caches, user sessions in memory "
        "(persistent-user-sessions off), ES256 access tokens with RFC 9068's type"
    )
    differs: tuple[str, ...] = (
        "nothing is durable: a restart forgets the realm, and every session and grant",
        "no record of what was issued, refused or used (events are not saved by default); nothing is published",
        "signed access tokens only: it has no opaque ones",
        "refresh tokens are signed too (HS512), and belong to a session of the person that lasts ten hours by default",
        "client secrets are kept in plain text, and compared without a digest",
        "a JVM that has run for seconds is slower than one that has run for minutes: warm it up",
    )

    def version(self) -> str:
        """As pinned."""
        return str(_pinned("version"))

    def install(self) -> None:
        """By Maven, with a digest of its own; then built as its documentation says for production."""
        if (lacking := lacks("java", "bash") if _STAMP.current() else lacks("java", "bash", "mvn")) is not None:
            raise Unavailable(lacking)
        if _STAMP.current():
            return
        archive = f"keycloak-quarkus-dist-{self.version()}.zip"
        shutil.rmtree(_INSTALLED, ignore_errors=True)
        _INSTALLED.mkdir()
        artifact = f"-Dartifact=org.keycloak:keycloak-quarkus-dist:{self.version()}:zip"
        run(["mvn", "--quiet", "--batch-mode", _COPY, artifact, f"-DoutputDirectory={_INSTALLED}"], _HERE)
        content = (_INSTALLED / archive).read_bytes()
        if hashlib.sha256(content).hexdigest() != _pinned("sha256"):
            raise Unavailable(f"{archive} is not the one that is pinned")
        with zipfile.ZipFile(_INSTALLED / archive) as packed:
            packed.extractall(_INSTALLED)
        (_INSTALLED / archive).unlink()
        run(["bash", self._home() / "bin" / "kc.sh", *_BUILD], _INSTALLED)
        _STAMP.set()

    def start(self, folder: Path, core: str) -> None:
        """A copy of it in the folder, since it writes beside its program."""
        port = free_port()
        self._url = url = f"http://127.0.0.1:{port}/realms/{realm.NAME}/protocol/openid-connect"
        self._clients = Clients(f"{url}/token", f"{url}/token/introspect", folder, new_secrets())
        self._password = secrets.token_urlsafe(16)
        home = folder / "keycloak"
        shutil.copytree(self._home(), home)
        imported = home / "data" / "import" / "realm.json"
        imported.parent.mkdir(parents=True)
        imported.write_text(json.dumps(realm.realm(self._clients.secrets, self._password)))
        options = ["--optimized", "--import-realm", "--cache=local", "--http-enabled=true", "--http-host=127.0.0.1"]
        options += [f"--http-port={port}", f"--hostname=http://127.0.0.1:{port}"]
        self._server = Server(["bash", home / "bin" / "kc.sh", "start", *options], folder, core, _HEAP)
        self._server.wait(self.keys())
        secret = self._clients.secrets[WEB_APP]
        self._flow = CodeFlow(f"{url}/auth", self._clients.token, secret, SCOPE, page=self._sign_in)

    def keys(self) -> str:
        """The realm's."""
        return f"{self._url}/certs"

    def cases(self, tokens: int) -> list[Case]:
        """All of signed tokens."""
        return [
            self._clients.issuance(ISSUANCE_JWT, WORKER),
            self._clients.introspection_of(WORKER, tokens),
            self._clients.refusal(WORKER),
        ]

    def _home(self) -> Path:
        return _INSTALLED / f"keycloak-{self.version()}"

    def _sign_in(self, http: httpx.Client, page: httpx.Response) -> httpx.Response:
        action = re.search(r'<form[^>]* action="([^"]+)"', page.text)
        if action is None:
            raise RuntimeError(f"{page.request.url} has no form: {page.text[:500]}")
        return http.post(html.unescape(action[1]), data={"username": realm.PERSON, "password": self._password})


def _pinned(name: str) -> str:
    return str(json.loads(_PINNED.read_text())[name])

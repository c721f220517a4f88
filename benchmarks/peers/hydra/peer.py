"""Ory Hydra (Go module github.com/ory/hydra/v2), with SQLite."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from benchmarks.load import Case
from benchmarks.peers.clients import OPAQUE_WORKER, USERS_API, WEB_APP, WORKER, Clients, new_secrets
from benchmarks.peers.code_flow import CodeFlow
from benchmarks.peers.installing import Stamp, run
from benchmarks.peers.peer import (
    CALLBACK,
    ISSUANCE_JWT,
    ISSUANCE_OPAQUE,
    LIFETIME,
    SCOPE,
    USERS,
    Unavailable,
)
from benchmarks.peers.server import Server
from benchmarks.peers.started import Started
from benchmarks.programs import lacks
from tests.ports import free_port

_HERE = Path(__file__).parent
_PROGRAM = _HERE / ".installed" / "hydra"
_MODULE = "github.com/ory/hydra/v2"
_STAMP = Stamp(_HERE, _HERE / "go.sum", _HERE / "go.mod")
_ELSEWHERE = "http://127.0.0.1:9"
"""Where Hydra sends a person to sign in and to consent: a program that others write, and that is not needed here."""
_DATABASE = "_fk=true&mode=rwc&_journal_mode=WAL&_sync=0&_busy_timeout=20000&_txlock=immediate"
_JWT_KEYS = "hydra.jwt.access-token"


class Hydra(Started):
    """One process."""

    name = "hydra"
    setting = (
        "serve all --dev (which lets its issuer be HTTP), SQLite in WAL mode that never waits for the disk "
        "(synchronous=OFF), log level warn, ES256 access tokens"
    )
    differs: tuple[str, ...] = (
        "a commit is durable against a crash of the process, not of the machine",
        (
            "its own in-memory database (DSN=memory) does not bear this load: after some seconds all that it "
            "answers is an error of the server, since SQLite's shared cache does not wait for a lock"
        ),
        "no record of what was refused or used; nothing is published",
        "introspection is on its administrative port, which asks for no client authentication",
        (
            "client secrets are hashed by PBKDF2, here with one iteration and not its default of 25,000, which would "
            "take some ten milliseconds of each request"
        ),
        (
            "no resource indicators (RFC 8707): a client names the API in a parameter of Hydra's own, `audience`; "
            "its access tokens have no `at+jwt` type"
        ),
    )

    def version(self) -> str:
        """As go.mod requires it."""
        found = re.search(rf"{re.escape(_MODULE)} (v\S+)", (_HERE / "go.mod").read_text())
        assert found is not None
        return found[1]

    def install(self) -> None:
        """Built from its module, with SQLite in it, which needs a C compiler."""
        if _STAMP.current():
            return
        if (lacking := lacks("go", "gcc")) is not None:
            raise Unavailable(lacking)
        build = ["go", "build", "-mod=readonly", "-trimpath", "-tags", "sqlite,sqlite_omit_load_extension"]
        run([*build, "-o", _PROGRAM, _MODULE], _HERE)
        _STAMP.set()

    def start(self, folder: Path, core: str) -> None:
        """With a key and secrets of this run alone."""
        self._url, self._admin = url, admin = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        self._clients = Clients(
            f"{url}/oauth2/token", f"{admin}/admin/oauth2/introspect", folder, new_secrets(), audience=USERS
        )
        configuration = folder / "configuration.json"
        configuration.write_text(json.dumps(_configuration(url, admin)))
        env = {"DSN": f"sqlite://{folder}/database?{_DATABASE}"}
        run([_PROGRAM, "migrate", "sql", "up", "--read-from-env", "--yes"], folder, env)
        command: list[str | Path] = [_PROGRAM, "serve", "all", "--config", configuration, "--dev", "--sqa-opt-out"]
        self._server = Server(command, folder, core, env)
        try:
            self._server.wait(f"{admin}/health/ready")
            self._register()
        except BaseException:
            self._server.stop()
            raise
        scope = f"offline_access {SCOPE}"
        secret = self._clients.secrets[WEB_APP]
        self._flow = CodeFlow(
            f"{url}/oauth2/auth", self._clients.token, secret, scope, {"audience": USERS}, elsewhere=self._agree
        )

    def keys(self) -> str:
        """Its jwks_uri."""
        return f"{self._url}/.well-known/jwks.json"

    def cases(self, tokens: int) -> list[Case]:
        """Both formats; signed tokens are introspected."""
        return [
            self._clients.issuance(ISSUANCE_JWT, WORKER),
            self._clients.issuance(ISSUANCE_OPAQUE, OPAQUE_WORKER),
            self._clients.introspection_of(WORKER, tokens),
            self._clients.refusal(WORKER),
        ]

    def _register(self) -> None:
        """The key for access tokens, which would be an RS256 one, and the clients."""
        self._ask("DELETE", f"/admin/keys/{_JWT_KEYS}")
        self._ask("POST", f"/admin/keys/{_JWT_KEYS}", {"alg": "ES256", "use": "sig", "kid": "es256"})
        for client in _new_clients(self._clients.secrets):
            self._ask("POST", "/admin/clients", client)

    def _agree(self, target: str) -> str:
        """The person signs in, and consents, at once."""
        kind = urlsplit(target).path.removeprefix("/")
        challenge = parse_qs(urlsplit(target).query)[f"{kind}_challenge"][0]
        answer: dict[str, Any] = {"subject": "zoe"}
        if kind == "consent":
            answer = {"grant_scope": ["offline_access", SCOPE], "grant_access_token_audience": [USERS]}
        path = f"/admin/oauth2/auth/requests/{kind}/accept?{kind}_challenge={challenge}"
        return str(self._ask("PUT", path, answer)["redirect_to"])

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        response = httpx.request(method, f"{self._admin}{path}", json=body)
        if not response.is_success:
            raise Unavailable(f"{path} was answered {response.status_code}: {response.text[:500]}")
        return response.json() if response.content else None


def _configuration(url: str, admin: str) -> dict[str, Any]:
    ports = {name: {"host": "127.0.0.1", "port": urlsplit(at).port} for name, at in (("public", url), ("admin", admin))}
    return {
        "log": {"level": "warn"},
        "serve": ports,
        "urls": {"self": {"issuer": url}, "login": f"{_ELSEWHERE}/login", "consent": f"{_ELSEWHERE}/consent"},
        "secrets": {"system": [secrets.token_hex(32)]},
        "strategies": {"access_token": "jwt", "jwt": {"scope_claim": "string"}},
        "ttl": {"access_token": f"{LIFETIME}s"},
        "oauth2": {
            "hashers": {"algorithm": "pbkdf2", "pbkdf2": {"iterations": 1}},
            "pkce": {"enforced": True},
        },
    }


def _new_clients(known: dict[str, str]) -> list[dict[str, Any]]:
    common = {"token_endpoint_auth_method": "client_secret_basic", "audience": [USERS]}
    machine = common | {"grant_types": ["client_credentials"], "scope": SCOPE}
    web = common | {"grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"]}
    web |= {"scope": f"offline_access {SCOPE}", "redirect_uris": [CALLBACK]}
    kinds = {
        WORKER: machine,
        OPAQUE_WORKER: machine | {"access_token_strategy": "opaque"},
        USERS_API: common,
        WEB_APP: web,
    }
    return [{"client_id": name, "client_secret": known[name], **kind} for name, kind in kinds.items()]

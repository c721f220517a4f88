"""The clients that every server knows, with secrets of one run, and the cases that they make."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from benchmarks.load import LOAD_CORE, Case, gather, use_up
from benchmarks.peers.assertions import Signer
from benchmarks.peers.peer import (
    INTROSPECTION,
    INTROSPECTION_REVOKED,
    INTROSPECTION_UNKNOWN,
    ISSUANCE_ASSERTION,
    REFUSAL,
    REVOCATION,
    SCOPE,
    VERIFY,
)

WORKER = "worker"
OPAQUE_WORKER = "opaque-worker"
USERS_API = "users-api"
WEB_APP = "web-app"
NAMES = (WORKER, OPAQUE_WORKER, USERS_API, WEB_APP)
_GRANT = f"grant_type=client_credentials&scope={SCOPE}"
_AT_ONCE = 32


class Clients(NamedTuple):
    """Where clients ask, and their secrets; the API is named by `resource` (RFC 8707) or by another parameter
    where a peer has one for it.
    """

    token: str
    introspection: str
    folder: Path
    secrets: dict[str, str]
    resource: str | None = None
    audience: str | None = None
    revocation: str = ""

    def login(self, name: str) -> tuple[str, str]:
        """For client_secret_basic."""
        return name, self.secrets[name]

    @property
    def grant(self) -> str:
        """The form of client credentials with one scope."""
        named = {"resource": self.resource, "audience": self.audience}
        return _GRANT + "".join(f"&{name}={value}" for name, value in named.items() if value is not None)

    def issuance(self, name: str, client: str) -> Case:
        """Client credentials, again and again."""
        return Case(name, self.token, self.login(client), self.grant)

    def issuance_by_assertion(self, signer: Signer, audience: str, number: int) -> Case:
        """The same of a client that signs its assertions, each of which is good once."""
        forms = (f"{self.grant}&{proof}" for proof in signer.forms(audience, number))
        return Case(ISSUANCE_ASSERTION, self.token, ("", ""), self.file("assertions", forms), once=True)

    def refusal(self, client: str) -> Case:
        """The same, with a wrong secret."""
        return Case(REFUSAL, self.token, (client, "wrong"), self.grant, good=401)

    def introspection_of(self, client: str, tokens: int) -> Case:
        """Tokens of one client, asked for by the API's client."""
        return self.asked_about(INTROSPECTION, self.tokens(client, tokens))

    def verification(self, url: str, introspection: Case) -> Case:
        """A gateway asks about the tokens that an API asks about."""
        assert isinstance(introspection.body, Path)
        bearers = (line.replace("token=", "Bearer ") for line in introspection.body.read_text().splitlines())
        return Case(VERIFY, url, ("", ""), self.file("bearers", bearers), bearer=True)

    def unknown(self, tokens: Iterable[str]) -> Case:
        """Introspection of tokens that the server never gave."""
        return self.asked_about(INTROSPECTION_UNKNOWN, tokens)._replace(inactive=True)

    def revoked(self, client: str, tokens: int) -> Case:
        """Introspection of tokens that were revoked."""
        texts = self.tokens(client, tokens)
        use_up(self.revoking(client, texts), LOAD_CORE)
        return self.asked_about(INTROSPECTION_REVOKED, texts)._replace(inactive=True)

    def revocation_of(self, client: str, tokens: int) -> Case:
        """Each of so many new tokens of one client is revoked."""
        return self.revoking(client, self.tokens(client, tokens))

    def rotation(self, name: str, refresh_tokens: list[str]) -> Case:
        """Each refresh token is used once, and then the one of its answer."""
        forms = (f"grant_type=refresh_token&refresh_token={token}" for token in refresh_tokens)
        return Case(name, self.token, self.login(WEB_APP), self.file("refreshes", forms), rotating=True)

    def asked_about(self, name: str, tokens: Iterable[str]) -> Case:
        """Introspection of these, in turn."""
        file = self.file(name, (f"token={token}" for token in tokens))
        return Case(name, self.introspection, self.login(USERS_API), file)

    def revoking(self, client: str, tokens: Iterable[str]) -> Case:
        """Revocation of these, each once."""
        file = self.file(REVOCATION, (f"token={token}" for token in tokens))
        return Case(REVOCATION, self.revocation, self.login(client), file, once=True)

    def tokens(self, client: str, number: int) -> list[str]:
        """So many new ones."""
        return gather(self.issuance("issuance", client), number, _AT_ONCE, LOAD_CORE)

    def file(self, name: str, lines: Iterable[str]) -> Path:
        """One of the run's folder, written anew."""
        file = self.folder / name.replace(" ", "-")
        file.write_text("\n".join(lines))
        return file


def new_secrets() -> dict[str, str]:
    """One for each client: 256 random bits in letters that Basic authentication takes as they are."""
    return {name: secrets.token_hex(32) for name in NAMES}


def answer_of(response: httpx.Response) -> dict[str, Any]:
    """The JSON of a good answer. Raises RuntimeError with what was answered instead."""
    if response.status_code != httpx.codes.OK:
        raise RuntimeError(f"{response.request.url} answered {response.status_code}: {response.text[:500]}")
    answer: dict[str, Any] = response.json()
    return answer

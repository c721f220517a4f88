"""The clients that every peer knows, with secrets of one run, and the cases that they make."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from benchmarks.load import Case
from benchmarks.peers.peer import INTROSPECTION, REFUSAL, SCOPE

WORKER = "worker"
OPAQUE_WORKER = "opaque-worker"
USERS_API = "users-api"
WEB_APP = "web-app"
NAMES = (WORKER, OPAQUE_WORKER, USERS_API, WEB_APP)
_GRANT = f"grant_type=client_credentials&scope={SCOPE}"


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

    def refusal(self, client: str) -> Case:
        """The same, with a wrong secret."""
        return Case(REFUSAL, self.token, (client, "wrong"), self.grant, good=401)

    def introspection_of(self, client: str, tokens: int) -> Case:
        """Tokens of one client, asked for by the API's client."""
        file = self.folder / "introspections"
        with httpx.Client(auth=self.login(client), headers=_FORM) as http:
            answers = [answer_of(http.post(self.token, content=self.grant)) for _ in range(tokens)]
        file.write_text("\n".join(f"token={answer['access_token']}" for answer in answers))
        return Case(INTROSPECTION, self.introspection, self.login(USERS_API), file)

    def rotation(self, name: str, refresh_tokens: list[str]) -> Case:
        """Each refresh token is used once, and then the one of its answer."""
        file = self.folder / "refreshes"
        file.write_text("\n".join(f"grant_type=refresh_token&refresh_token={token}" for token in refresh_tokens))
        return Case(name, self.token, self.login(WEB_APP), file, rotating=True)


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def new_secrets() -> dict[str, str]:
    """One for each client: 256 random bits in letters that Basic authentication takes as they are."""
    return {name: secrets.token_hex(32) for name in NAMES}


def answer_of(response: httpx.Response) -> dict[str, Any]:
    """The JSON of a good answer. Raises RuntimeError with what was answered instead."""
    if response.status_code != httpx.codes.OK:
        raise RuntimeError(f"{response.request.url} answered {response.status_code}: {response.text[:500]}")
    answer: dict[str, Any] = response.json()
    return answer

"""What a running product is asked, by wrk: four cases, of tokens and grants that it gave a moment before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import httpx

from benchmarks.load import Case
from benchmarks.people import CLIENT, refresh_tokens
from tests.load import USERS
from tests.product import Product

ISSUANCE, INTROSPECTION, VERIFY, ROTATION = "issuance, ES256 JWT", "introspection, hot", "/verify, hot", "rotation"
_SCOPE = "read:users"
_FORM = urlencode({"grant_type": "client_credentials", "scope": _SCOPE, "resource": USERS})
_NEEDS = urlencode({"audience": USERS, "scope": _SCOPE})


class Asking:
    """The cases of one product: `tokens` distinct ones are introspected in turn; files lie in `folder`."""

    def __init__(self, product: Product, folder: Path, tokens: int) -> None:
        self._product = product
        self._folder = folder
        self.texts = self._tokens(tokens)

    def makers(self) -> dict[str, Callable[[], Case]]:
        """What makes the case of a round, by name; a rotation's grants are used up by it."""
        return {
            ISSUANCE: self.issuance,
            INTROSPECTION: self.introspection,
            VERIFY: self.verify,
            ROTATION: self.rotation,
        }

    def issuance(self) -> Case:
        """A token for a client by itself."""
        return Case(ISSUANCE, self._url("/oauth2/token"), self._login("worker"), _FORM)

    def introspection(self) -> Case:
        """Of its tokens, by the API that they are for."""
        lines = self._file("introspections", [f"token={text}" for text in self.texts])
        return Case(INTROSPECTION, self._url("/oauth2/introspect"), self._login("users-api"), lines)

    def verify(self) -> Case:
        """Of the same, as a gateway asks."""
        bearers = self._file("bearers", [f"Bearer {text}" for text in self.texts])
        return Case(VERIFY, self._url(f"/verify?{_NEEDS}"), ("", ""), bearers, bearer=True)

    def rotation(self, grants: int = 128) -> Case:
        """Of fresh grants that a person gave: each answer's refresh token is the next that is asked with."""
        forms = [f"grant_type=refresh_token&refresh_token={text}" for text in refresh_tokens(self._product, grants)]
        lines = self._file("refreshes", forms)
        return Case(ROTATION, self._url("/oauth2/token"), self._login(CLIENT), lines, rotating=True)

    def _tokens(self, number: int) -> list[str]:
        case = self.issuance()
        with httpx.Client(auth=case.login, headers={"Content-Type": "application/x-www-form-urlencoded"}) as http:
            answers = (http.post(case.url, content=_FORM).raise_for_status() for _ in range(number))
            return [str(answer.json()["access_token"]) for answer in answers]

    def _url(self, path: str) -> str:
        return f"{self._product.url}{path}"

    def _login(self, client: str) -> tuple[str, str]:
        return client, self._product.secret(client)

    def _file(self, name: str, lines: list[str]) -> Path:
        file = self._folder / name
        file.write_text("\n".join(lines))
        return file

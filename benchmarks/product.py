"""Tallystick as one of those that are compared."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

import httpx

from benchmarks.load import Case
from benchmarks.peers.clients import USERS_API, WEB_APP, WORKER
from benchmarks.peers.peer import INTROSPECTION, ISSUANCE_JWT, ISSUANCE_OPAQUE, REFUSAL, ROTATION_JWT, SCOPE, VERIFY
from benchmarks.people import add_person, refresh_tokens
from benchmarks.stack import pin
from tests.load import USERS
from tests.product import Product, running_product

_OPAQUE = "opaque-worker"


class Tallystick:
    """The whole product with one worker: as `tallystick up` starts it, but for the limits of one source's rate."""

    def start(self, folder: Path, core: str) -> None:
        """With an empty journal, and an account."""
        self._folder = folder
        self._stack = ExitStack()
        self.product: Product = self._stack.enter_context(running_product())
        pin(self.product, core)
        add_person(self.product)

    def stop(self) -> None:
        """Its data go with it."""
        self._stack.close()

    def audit(self) -> str:
        """What `tallystick audit check` says. Raises AssertionError where it is not clean."""
        checked = self.product.cli("audit", "check", check=False)
        assert checked.returncode == 0, checked.stdout
        return checked.stdout.strip()

    def cases(self, tokens: int) -> list[Case]:
        """All but rotation."""
        grant = f"grant_type=client_credentials&scope={SCOPE}&resource={USERS}"
        texts = [self._token(grant) for _ in range(tokens)]
        introspections = self._file("introspections", [f"token={text}" for text in texts])
        bearers = self._file("bearers", [f"Bearer {text}" for text in texts])
        token, needs = f"{self.product.url}/oauth2/token", urlencode({"audience": USERS, "scope": SCOPE})
        return [
            Case(ISSUANCE_JWT, token, self._login(WORKER), grant),
            Case(ISSUANCE_OPAQUE, token, self._login(_OPAQUE), grant),
            Case(INTROSPECTION, f"{self.product.url}/oauth2/introspect", self._login(USERS_API), introspections),
            Case(REFUSAL, token, (WORKER, "wrong"), grant, good=401),
            Case(VERIFY, f"{self.product.url}/verify?{needs}", ("", ""), bearers, bearer=True),
        ]

    def rotation(self, grants: int) -> Case:
        """Of grants that a person gave."""
        forms = [f"grant_type=refresh_token&refresh_token={text}" for text in refresh_tokens(self.product, grants)]
        login = self._login(WEB_APP)
        return Case(
            ROTATION_JWT, f"{self.product.url}/oauth2/token", login, self._file("refreshes", forms), rotating=True
        )

    def _file(self, name: str, lines: list[str]) -> Path:
        file = self._folder / name
        file.write_text("\n".join(lines))
        return file

    def _login(self, client: str) -> tuple[str, str]:
        return client, self.product.secret(client)

    def _token(self, grant: str) -> str:
        answer = _http.post(f"{self.product.url}/oauth2/token", content=grant, auth=self._login(WORKER), headers=_FORM)
        return str(answer.raise_for_status().json()["access_token"])


_http = httpx.Client()
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}

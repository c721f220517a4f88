"""A load of every kind of call, which remembers what it was answered so that the journal can be held to it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.http_client import Answer, Broken, Connection

USERS = "https://api.example.com/users"
PAYMENTS = "https://api.example.com/payments"
_UNAVAILABLE = 503
_FAILED = 500


@dataclass
class Answers:
    """What was answered. A token is `(text, owner)`; revoked ones are those whose revocation was answered 200."""

    counts: Counter[str] = field(default_factory=Counter)
    held: list[tuple[str, str]] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)
    revoking: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)


class Load:
    """Calls at `connections` at once, until `calls` were made or `stop` is set.

    `secrets` maps each client of `tests/access.yaml` to its secret. `answers` goes on with those of an earlier load. A
    `patient` one waits a moment after a call that broke.
    """

    def __init__(
        self, url: str, secrets: dict[str, str], *, seed: int, answers: Answers | None = None, patient: bool = False
    ) -> None:
        self.answers = Answers() if answers is None else answers
        self._url = url
        self._secrets = secrets
        self._random = random.Random(seed)
        self._patient = patient
        self.stop = asyncio.Event()

    async def run(self, calls: int, connections: int) -> Answers:
        """Make the calls; returns what was answered."""
        links = [Connection(self._url) for _ in range(connections)]
        await asyncio.gather(*(self._caller(http, calls // connections) for http in links))
        for link in links:
            await link.close()
        return self.answers

    async def _caller(self, http: Connection, calls: int) -> None:
        kinds: list[Callable[[Connection], Awaitable[None]]] = [
            self._issue,
            self._issue,
            self._issue,
            self._introspect,
            self._introspect,
            self._introspect,
            self._revoke,
            self._refused_token,
            self._refused_introspection,
            self._refused_revocation,
        ]
        for _ in range(calls):
            if self.stop.is_set():
                return
            await self._random.choice(kinds)(http)

    async def _post(self, http: Connection, path: str, client: str, **form: str) -> Answer | None:
        """An answer, or None for one that the load does not count: 503, or no answer at all."""
        login = (client, form.pop("_secret", self._secrets.get(client, "")))
        try:
            response = await http.post(path, form, login)
        except Broken:
            self.answers.counts["broken"] += 1
            if self._patient:
                await asyncio.sleep(0.05)
            return None
        if response.status == _UNAVAILABLE:
            self.answers.counts["unavailable"] += 1
            if "retry-after" not in response.headers:
                self.answers.wrong.append("503 without Retry-After")
            return None
        if response.status >= _FAILED:
            self.answers.wrong.append(f"{path}: {response.status} {response.text}")
            return None
        return response

    async def _issue(self, http: Connection) -> None:
        client = self._random.choice(["worker", "opaque-worker"])
        response = await self._post(http, "/oauth2/token", client, grant_type="client_credentials", resource=USERS)
        if response is None:
            return
        if response.status != 200:
            self.answers.wrong.append(f"issue: {response.text}")
            return
        token = str(response.json()["access_token"])
        self.answers.counts["issued"] += 1
        self.answers.held.append((token, client))
        self.answers.texts.add(token)

    async def _introspect(self, http: Connection) -> None:
        if not self.answers.held:
            return
        token, _ = self._random.choice(self.answers.held)
        was_revoked, may_be_revoked = token in self.answers.revoked, token in self.answers.revoking
        response = await self._post(http, "/oauth2/introspect", "users-api", token=token)
        if response is None:
            return
        active = response.json()["active"]
        self.answers.counts["active" if active else "refused"] += 1
        if active and was_revoked:
            self.answers.wrong.append("a revoked token was active")
        if not active and not may_be_revoked and token not in self.answers.revoking:
            self.answers.wrong.append("a live token was not active")

    async def _revoke(self, http: Connection) -> None:
        if not self.answers.held:
            return
        token, owner = self._random.choice(self.answers.held)
        again = token in self.answers.revoking
        self.answers.revoking.add(token)
        response = await self._post(http, "/oauth2/revoke", owner, token=token)
        if response is None:
            return
        if response.status != 200:
            self.answers.wrong.append(f"revoke: {response.text}")
        self.answers.counts["revocations answered again" if again else "revocations answered"] += 1
        self.answers.revoked.add(token)

    async def _refused_token(self, http: Connection) -> None:
        guess = f"tly_cs_guess{self._random.random()}"
        client, form = self._random.choice(
            [
                ("worker", {"grant_type": "client_credentials", "_secret": guess}),
                (f"stranger-{self._random.randrange(10**6)}", {"grant_type": "client_credentials", "_secret": guess}),
                ("worker", {"grant_type": "password"}),
                ("worker", {"grant_type": "client_credentials", "scope": "write:users", "resource": USERS}),
                ("worker", {"grant_type": "client_credentials", "resource": "https://other.example.com"}),
                ("worker", {"grant_type": "client_credentials"} | {"scope": 'bad"scope'}),
                ("users-api", {"grant_type": "client_credentials"}),
                ("worker", {"scope": "read:users"}),
            ]
        )
        self.answers.texts.add(guess)
        self._count_refusal(await self._post(http, "/oauth2/token", client, **form), {400, 401})

    async def _refused_introspection(self, http: Connection) -> None:
        unknown = f"{self._random.getrandbits(256):064x}"
        held = self._random.choice(self.answers.held)[0] if self.answers.held else unknown
        client, form = self._random.choice(
            [
                ("users-api", {"token": unknown}),
                ("payments-api", {"token": held}),
                ("users-api", {"token": held[:-3] + ("AAA" if not held.endswith("AAA") else "QQQ")}),
                ("worker", {"token": held}),
                ("users-api", {}),
            ]
        )
        self.answers.texts.add(unknown)
        self._count_refusal(await self._post(http, "/oauth2/introspect", client, **form), {200, 400})

    async def _refused_revocation(self, http: Connection) -> None:
        if not self.answers.held:
            return
        token, owner = self._random.choice(self.answers.held)
        other = "worker" if owner != "worker" else "opaque-worker"
        self._count_refusal(await self._post(http, "/oauth2/revoke", other, token=token), {400})

    def _count_refusal(self, response: Answer | None, statuses: set[int]) -> None:
        if response is None:
            return
        self.answers.counts["refused"] += 1
        if response.status not in statuses or '"active":true' in response.text:
            self.answers.wrong.append(f"not refused: {response.status} {response.text}")

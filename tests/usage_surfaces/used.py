"""What the tests of the usage surfaces ask about."""

from __future__ import annotations

from typing import Any, NamedTuple

import httpx

from tests.audit.world import Served, bearer
from tests.servers import Database

ISSUED = 3
REFUSED = 2


class Used(NamedTuple):
    """A worker, its database, a client that used it, and tokens of the own API."""

    worker: Served
    database: Database
    client: str
    token: str
    auditor: str

    async def get(self, subject: str, accept: str = "", *, token: str | None = None, **query: Any) -> httpx.Response:
        """What a request for figures is answered."""
        headers = bearer(self.token if token is None else token) | ({"accept": accept} if accept else {})
        return await self.worker.http.get(f"/usage/{subject}", params=query, headers=headers)


async def make_use_of(worker: Served) -> str:
    """A client that got some tokens and was refused some; its id."""
    party = await worker.world.worker()
    for _ in range(ISSUED):
        await worker.world.issue(party)
    for _ in range(REFUSED):
        body = {"grant_type": "client_credentials", "scope": "never:registered"}
        response = await worker.http.post("/oauth2/token", data=body, headers=party.basic)
        assert response.status_code == 400
    return party.client_id

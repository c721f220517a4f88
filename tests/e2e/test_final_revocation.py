"""Promise 4 with real workers: after a revocation was answered by one of four, none of the others says active."""

from __future__ import annotations

import asyncio

from tests.http_client import Connection
from tests.load import USERS, Load
from tests.product import Product

TOKENS = 60
LINKS = 24


async def _revoke_and_ask(product: Product) -> list[str]:
    """Tokens that any connection, spread over the workers, called active after their revocation was answered."""
    secrets = product.secrets()
    noise = Load(product.url, secrets, seed=3)
    loading = asyncio.create_task(noise.run(10**6, 8))
    asking = [Connection(product.url) for _ in range(LINKS)]
    owner = Connection(product.url)
    wrong = []
    for _ in range(TOKENS):
        issued = await owner.post(
            "/oauth2/token", {"grant_type": "client_credentials", "resource": USERS}, ("worker", secrets["worker"])
        )
        token = str(issued.json()["access_token"])
        login = ("users-api", secrets["users-api"])
        known = await asyncio.gather(*(link.post("/oauth2/introspect", {"token": token}, login) for link in asking))
        assert all(answer.json()["active"] for answer in known)
        revoked = await owner.post("/oauth2/revoke", {"token": token}, ("worker", secrets["worker"]))
        assert revoked.status == 200
        after = await asyncio.gather(*(link.post("/oauth2/introspect", {"token": token}, login) for link in asking))
        wrong += [token for answer in after if answer.json()["active"]]
    noise.stop.set()
    await loading
    for link in (owner, *asking):
        await link.close()
    assert noise.answers.wrong == []
    return wrong


def test_no_worker_answers_active_after_a_revocation(product: Product) -> None:
    """60 tokens known to every worker, revoked under load: not one answer says active afterwards."""
    assert len(product.processes("serve")) == 4
    assert asyncio.run(_revoke_and_ask(product)) == []

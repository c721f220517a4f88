"""`kill -9` of every kind of process in the middle of a load: nothing that was answered is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time

import httpx
import pytest

from service.embedded.supervisor import EARLY
from tests.http_client import Broken, Connection
from tests.load import Answers, Load
from tests.product import Product, running_product
from tests.verify import JournalText

ROUNDS = 10
CONNECTIONS = 32
READY_SECONDS = 60.0

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.mark.parametrize("victim", ["supervisor", "serve", "relay", "postgres", "nats-server"])
def test_nothing_answered_is_lost(victim: str) -> None:
    """After ten kills every held token has its event, the stream equals the journal, no revoked token is active."""
    chance = random.Random(victim)
    answers = Answers()
    with running_product(workers=2) as product:
        secrets = product.secrets()
        for _ in range(ROUNDS):
            load = Load(product.url, secrets, seed=chance.randrange(10**9), answers=answers, patient=True)
            asyncio.run(_round(product, load, victim, chance))

            assert answers.wrong == []
            journal = JournalText(product.run_info()["owner_database_url"])
            journal.assert_dense()
            journal.assert_receipts(answers)
            checked = product.cli("audit", "check", check=False)
            assert checked.returncode == 0, checked.stdout + checked.stderr
            assert asyncio.run(_active(product.url, secrets["users-api"], answers)) == []
        assert answers.counts["issued"] > ROUNDS * 50
        assert answers.counts["revocations answered"] > ROUNDS * 5


async def _round(product: Product, load: Load, victim: str, chance: random.Random) -> None:
    calls = asyncio.create_task(load.run(10**7, CONNECTIONS))
    await asyncio.sleep(chance.uniform(0.3, 1.2))
    if victim == "supervisor":
        product.kill()
        await asyncio.to_thread(product.start)
    else:
        await _kill_one(product, victim, chance)
        await _until_ready(product.url)
    await asyncio.sleep(chance.uniform(0.2, 0.5))
    load.stop.set()
    await calls


async def _kill_one(product: Product, role: str, chance: random.Random) -> None:
    """Kill one process that plays a role; of Postgres the postmaster or one of its backends.

    It has lived for a while: the supervisor takes deaths right after the start for a crash loop, and gives up.
    """
    while any(time.time() - child.create_time() < EARLY + 1 for child in product.processes(role)):
        await asyncio.sleep(0.1)
    os.kill(chance.choice(product.family(role)).pid, signal.SIGKILL)


async def _until_ready(url: str) -> None:
    """Wait until every part says that it is ready again."""
    async with asyncio.timeout(READY_SECONDS), httpx.AsyncClient(base_url=url) as http:
        while True:
            try:
                readiness = (await http.get("/health/ready")).json()
            except (httpx.TransportError, ValueError):
                readiness = {}
            if readiness.get("status") == "ready":
                return
            await asyncio.sleep(0.1)


async def _active(url: str, secret: str, answers: Answers) -> list[str]:
    """The revoked tokens that are answered as active; a sample of 300 of those that were answered so far."""
    link = Connection(url)
    active = []
    for token in random.Random(0).sample(sorted(answers.revoked), min(300, len(answers.revoked))):
        try:
            answer = await link.post("/oauth2/introspect", {"token": token}, ("users-api", secret))
        except Broken:
            answer = await link.post("/oauth2/introspect", {"token": token}, ("users-api", secret))
        if answer.status != 200 or answer.json()["active"]:
            active.append(token)
    await link.close()
    return active

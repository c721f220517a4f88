"""A flood of bad requests from one source leaves a few events that tell of all of them, and good clients go on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.http_client import Connection
from tests.load import USERS
from tests.product import Product, running_product

SECONDS = 60
WINDOW = 10
BURST = 100
CONNECTIONS = 64
FLOOD = "203.0.113.66"
_FORM = b"grant_type=client_credentials&client_id=worker&client_secret=wrong"
REQUEST = (
    b"POST /oauth2/token HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-www-form-urlencoded\r\n"
    b"x-forwarded-proto: https\r\nx-forwarded-for: %b\r\ncontent-length: %d\r\n\r\n%b"
) % (FLOOD.encode(), len(_FORM), _FORM)


@pytest.mark.soak
@pytest.mark.parametrize("workers", [1, 2])
def test_a_flood_fills_no_journal(workers: int) -> None:
    """For a minute; every refusal is told of, by itself or in a window's count, and no other event is made of them."""
    env = {
        "TALLYSTICK_TRUSTED_PROXIES": "127.0.0.1",
        "TALLYSTICK_SOURCE_RATE": "",
        "TALLYSTICK_REFUSAL_RATE": "",
        "TALLYSTICK_REFUSAL_BURST": str(BURST),
        "TALLYSTICK_THROTTLE_HOLD": "0.01",  # many more requests than there would be as shipped
        "TALLYSTICK_THROTTLE_WINDOW": str(WINDOW),
    }
    with running_product(workers=workers, env=env) as product:
        before = memory(product)
        answers, good = asyncio.run(flooded(product))
        assert set(answers) == {401, 429}
        assert answers[429] > 1_000
        alone, windows = told_of(product, answers.total())
        assert good > SECONDS
        # The budget, what one worker does not know yet of the other's, those at once, and the reserve of the client.
        assert alone <= BURST * workers + 64 + 40 * workers
        assert windows <= 2 * (SECONDS // WINDOW + 2)
        assert memory(product) - before < 40 * workers


async def flooded(product: Product) -> tuple[Counter[int], int]:
    """The statuses that the flood was answered, and how often a good client got a token meanwhile."""
    until = time.monotonic() + SECONDS
    counts: Counter[int] = Counter()
    floods = [flood(product.url, until, counts) for _ in range(CONNECTIONS)]
    asking = asyncio.create_task(ask(product, until))
    await asyncio.gather(*floods)
    return counts, await asking


async def flood(url: str, until: float, counts: Counter[int]) -> None:
    """Send bad requests, one after the other."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    while time.monotonic() < until:
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        counts[int(head[9:12])] += 1
    writer.close()


async def ask(product: Product, until: float) -> int:
    """Get tokens as a good client, and see each work."""
    http, times = Connection(product.url), 0
    worker, api = ("worker", product.secret("worker")), ("users-api", product.secret("users-api"))
    while time.monotonic() < until:
        issued = await http.post("/oauth2/token", {"grant_type": "client_credentials", "resource": USERS}, worker)
        assert issued.status == 200, issued.text
        found = await http.post("/oauth2/introspect", {"token": str(issued.json()["access_token"])}, api)
        assert found.json()["active"] is True
        times += 1
        await asyncio.sleep(0.1)
    await http.close()
    return times


def told_of(product: Product, expected: int) -> tuple[int, int]:
    """How many events of single refusals and of windows there are, once they tell of all that was refused."""
    deadline = time.monotonic() + 120
    query = (
        "SELECT type, data FROM journal.events WHERE type IN ('access.rejected', 'access.throttled') AND source = %s"
    )
    with psycopg.connect(product.run_info()["owner_database_url"], autocommit=True) as connection:
        while True:
            rows = connection.execute(query, (FLOOD,)).fetchall()
            alone = sum(kind == "access.rejected" for kind, _ in rows)
            windows = [data for kind, data in rows if kind == "access.throttled"]
            told = alone + sum(window["count"] for window in windows)
            if told == expected:
                return alone, len(windows)
            assert told < expected
            assert time.monotonic() < deadline, f"{told} of {expected} refusals are told of"
            time.sleep(0.5)


def memory(product: Product) -> float:
    """MiB of all workers."""
    return sum(process.memory_info().rss for process in product.processes("serve")) / 2**20

"""The whole product notices, from the request that decides to the finding that is listed."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
import time
from typing import Any

from consumers.anomalies.thresholds import Thresholds
from tests.http_client import Connection
from tests.product import Product, running_product

GUESSES = Thresholds().secret_guesses
WITHIN = 5.0


def test_guessed_secrets_are_found_within_seconds() -> None:
    """The finding is journalled, and listed by the command line, within five seconds of the last wrong secret."""
    with running_product() as product:
        asyncio.run(_guess(product.url))
        (finding,) = _found(product)
        assert (finding["rule"], finding["about"]) == ("client_secret_guessing", "client worker")
        shown = json.loads(product.cli("anomalies", "show", finding["id"][:23], "--json").stdout)
        decided = _moment(shown["evidence_events"][-1]["time"])
        told = _moment(shown["events"][0]["time"])
        logging.getLogger(__name__).info("told %.3f s after the deciding event", (told - decided).total_seconds())
        assert (told - decided).total_seconds() <= WITHIN
        assert [event["type"] for event in shown["evidence_events"]] == ["access.rejected"] * GUESSES


async def _guess(url: str) -> None:
    connection = Connection(url)
    for number in range(GUESSES):
        answer = await connection.post(
            "/oauth2/token", {"grant_type": "client_credentials"}, ("worker", f"wrong-{number}")
        )
        assert answer.status == 401
    await connection.close()


def _found(product: Product) -> list[dict[str, Any]]:
    until = time.monotonic() + 60.0
    while time.monotonic() < until:
        found: list[dict[str, Any]] = json.loads(product.cli("anomalies", "list", "--json").stdout)
        if found:
            return found
    raise AssertionError(f"nothing was found:\n{product.log()[-3_000:]}")


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)

"""A real subscriber and a real SQL session see what was answered, in the same order."""

from __future__ import annotations

import asyncio

import nats
import psycopg
from nats.js import JetStreamContext

from tests.load import Load
from tests.product import Product
from tests.verify import JournalText

CALLS = 600


async def _load_and_subscribe(product: Product) -> tuple[Load, list[tuple[int, str, str, bytes]]]:
    """A subscriber with the audit user's rights follows from the start while the calls are made."""
    load = Load(product.url, product.secrets(), seed=7)
    link = await nats.connect(product.run_info()["audit_nats_url"])
    try:
        return load, await _follow(product, link.jetstream(), load)
    finally:
        await link.close()


async def _follow(product: Product, stream: JetStreamContext, load: Load) -> list[tuple[int, str, str, bytes]]:
    subscription = await stream.pull_subscribe("tally.v1.>", stream="TALLYSTICK")
    await load.run(CALLS, 16)
    last = JournalText(product.run_info()["owner_database_url"]).positions[-1]
    seen: list[tuple[int, str, str, bytes]] = []
    while not seen or seen[-1][0] < last:
        for message in await subscription.fetch(100, timeout=10):
            headers = message.headers or {}
            seen.append((message.metadata.sequence.stream, headers["ce-type"], headers["ce-subject"], message.data))
            await message.ack()
    return seen


def test_a_subscriber_and_sql_see_the_same(product: Product) -> None:
    """The stream's sequence is the journal's position, each message the row's JSON; each answer has its event."""
    load, seen = asyncio.run(_load_and_subscribe(product))
    with psycopg.connect(product.run_info()["database_url"]) as connection:
        rows = connection.execute(
            "SELECT position, 'tallystick.' || type || '.v1', stream::text, data::text "
            "FROM journal.events ORDER BY position"
        ).fetchall()
    journal = JournalText(product.run_info()["owner_database_url"])

    assert load.answers.wrong == []
    assert [(row[0], row[1], row[2], row[3].encode()) for row in rows] == seen
    journal.assert_dense()
    journal.assert_receipts(load.answers)
    journal.assert_no_secret(*product.secrets().values(), *load.answers.texts)


def test_audit_commands_agree(product: Product) -> None:
    """`audit check` finds nothing; `audit show` tells a grant's story; `audit tail` prints JSON lines."""
    asyncio.run(Load(product.url, product.secrets(), seed=8).run(64, 4))
    checked = product.cli("audit", "check")
    tailed = product.cli("audit", "tail", "--no-follow", "--json", "--from", "1", "--type", "token.issued")

    assert "whole" in checked.stdout
    assert '"type":"token.issued"' in tailed.stdout.replace(" ", "")

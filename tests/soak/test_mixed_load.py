"""The whole product under every kind of call (`tallystick up`, real servers, one process for the calls)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.load import Load
from tests.product import Product
from tests.verify import JournalText

CLIENTS = ("worker", "opaque-worker", "post-worker", "users-api", "payments-api")

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


@pytest.mark.parametrize("workers", [1, 4])
def test_ten_thousand_mixed_calls_leave_their_receipts(tmp_path: Path, workers: int) -> None:
    """Positions are dense, the stream equals the journal, each answer has its event, and no secret is in any."""
    product = Product(tmp_path / "home", workers=workers).start()
    try:
        secrets = {client: product.secret(client) for client in CLIENTS}
        answers = asyncio.run(Load(product.url, secrets, seed=1).run(10_000, 32))
        journal = JournalText(product.run_info()["owner_database_url"])

        assert [] == answers.wrong
        assert 0 == answers.counts["unavailable"] + answers.counts["broken"]
        journal.assert_dense()
        journal.assert_receipts(answers)
        assert answers.counts["issued"] == journal.types["token.issued"]
        assert len(answers.revoked) == journal.types["token.revoked"]
        revocations = answers.counts["revocations answered"] + answers.counts["revocations answered again"]
        assert (
            answers.counts["refused"] + revocations == journal.types["access.rejected"] + journal.types["token.revoked"]
        )
        journal.assert_no_secret(*secrets.values(), *answers.texts)
        checked = product.cli("audit", "check", check=False)
        assert (0, "") == (checked.returncode, checked.stderr)
    finally:
        product.end()

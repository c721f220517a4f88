"""The whole product under every kind of call (`tallystick up`, real servers, one process for the calls)."""

from __future__ import annotations

import asyncio

import pytest

from tests.load import Load
from tests.product import running_product
from tests.verify import JournalText

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


@pytest.mark.parametrize("workers", [1, 4])
def test_ten_thousand_mixed_calls_leave_their_receipts(workers: int) -> None:
    """Positions are dense, the stream equals the journal, each answer has its event, and no secret is in any."""
    with running_product(workers) as product:
        secrets = product.secrets()
        answers = asyncio.run(Load(product.url, secrets, seed=1).run(10_000, 32))
        journal = JournalText(product.run_info()["owner_database_url"])

        assert answers.wrong == []
        assert answers.counts["unavailable"] + answers.counts["broken"] == 0
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
        assert (checked.returncode, checked.stderr) == (0, "")

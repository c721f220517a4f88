"""What a worker reads when it starts, which must not grow with the journal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from projections.login_failures import LoginFailures
from schema.events import AccountRegistered, LoginFailed
from schema.streams import client_stream, new_stream
from service.journal import postgres
from service.journal.port import Append
from service.sign_in import recall
from tests.journal.benches import open_journal, owner_session
from tests.journal.contract import request
from tests.servers import Database


async def test_long_lived_streams_are_read_page_by_page(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, no single read is of more than a page, and all up to the head are there, in order."""
    monkeypatch.setattr(postgres, "_PAGE", 2)
    async with open_journal(database.service_url) as journal:
        for number in range(5):
            await journal.append(request(client_stream(f"client-{number}")))
            await journal.append(request(new_stream()))
        pages, fetch = list[int](), journal.fetch

        async def counted(query: str, *arguments: object) -> list[Any]:
            rows = await fetch(query, *arguments)
            pages.append(len(rows))
            return rows

        monkeypatch.setattr(journal, "fetch", counted)
        recorded, head = await journal.read_entities()
    assert ([event.position for event in recorded], head) == ([1, 3, 5, 7, 9], 10)
    assert pages == [1, 2, 2, 1, 0]


async def test_what_no_one_needs_is_not_read(database: Database) -> None:
    """Events of types that are left out do not come, whatever page they would be on."""
    account = AccountRegistered(subject="00000000-0000-4000-8000-000000000000", name="mona")
    async with open_journal(database.service_url) as journal:
        await journal.append(Append(client_stream("a"), 0, (account,)))
        await journal.append(request(client_stream("b")))
        recorded, head = await journal.read_entities({account.TYPE})
    assert ([event.position for event in recorded], head) == ([2], 2)


async def test_only_recent_login_failures_are_looked_at(database: Database) -> None:
    """The index gives those of the window alone: those of years are neither read nor filtered."""
    failed = LoginFailed(reason="wrong_password", method="pwd", name_digest="n" * 43)
    async with open_journal(database.service_url) as journal, owner_session(database) as owner:
        for _ in range(20):
            await journal.append(Append(new_stream(), 0, (failed,)))
        await owner.execute("UPDATE journal.events SET recorded_at = now() - interval '1 year' WHERE position < 20")
        await owner.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        query = f"EXPLAIN (ANALYZE, FORMAT JSON) {recall._RECENT}"
        plan = json.loads(await owner.fetchval(query, 20, 900.0, 100))
        failures = LoginFailures(50)
        await recall.recall_login_failures(journal, failures, 20, 900.0)
    scans = [scan for scan in _scans(plan[0]["Plan"]) if scan["Actual Rows"] or scan.get("Rows Removed by Filter")]
    assert [(scan["Actual Rows"], scan.get("Rows Removed by Filter", 0)) for scan in scans] == [(1, 0)]
    assert "recorded_at" in scans[0]["Index Cond"]


def _scans(node: dict[str, Any]) -> list[dict[str, Any]]:
    found = [node] if "Scan" in node["Node Type"] else []
    return found + [scan for below in node.get("Plans", ()) for scan in _scans(below)]

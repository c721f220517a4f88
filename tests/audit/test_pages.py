from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from schema.events import EVENT_TYPES
from service.audit import journal_reader
from service.journal.port import JournalTimeout
from service.journal.told import as_object
from service.own_api.scopes import USAGE_READ
from tests.audit.world import EVENTS, Served, bearer

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"typ": "token.*"}, "typ"),
    ({"after": "x"}, "after"),
    ({"after": "-1"}, "after"),
    ({"after": "٣"}, "after"),
    ({"after": "9" * 19}, "after"),
    ({"after": "9" * 40}, "after"),
    ({"after": "1000000"}, "after"),
    ({"after": ["1", "2"]}, "after"),
    ({"limit": "0"}, "limit"),
    ({"limit": "1001"}, "limit"),
    ({"limit": "1.5"}, "limit"),
    ({"type": ["token.*", "nothing.*"]}, "type"),
    ({"type": "["}, "type"),
    ({"client": ""}, "client"),
    ({"client": ["a", "b"]}, "client"),
    ({"grant": "1"}, "grant"),
    ({"source": "example.com"}, "source"),
    ({"source": "192.0.2.0/33"}, "source"),
    ({"source": "fe80::1%eth0"}, "source"),
    ({"since": "yesterday"}, "since"),
    ({"since": "2026-01-01"}, "since"),
    ({"since": "2026-01-01T00:00:00"}, "since"),
    ({"until": "2026-02-30T00:00:00Z"}, "until"),
    ({"until": "0001-01-01T00:00:00+23:59"}, "until"),
    ({"since": "0001-01-01T00:00:00Z"}, "since"),
    ({"since": "1999-12-31T23:59:59Z"}, "since"),
    ({"until": "9999-12-31T23:59:59Z"}, "until"),
    ({"until": "2200-01-01T00:00:00Z"}, "until"),
    ({"type": "*" * 101}, "type"),
    ({"type": ["token.*"] * 21}, "type"),
    ({"since": "2026-01-01T00:00:00+01:00", 'ünknown"\\': "1"}, '?nknown"\\'),
]


async def rejected(worker: Served) -> dict[str, Any]:
    """The last event, which is a refusal."""
    (last,) = await worker.core.journal.read(await worker.core.journal.head() - 1, 1)
    assert last.type == "access.rejected"
    data: dict[str, Any] = json.loads(last.data)
    return data


async def walk(worker: Served, token: str, **query: Any) -> list[dict[str, Any]]:
    """All events of all pages, up to the head that the first page told of."""
    told: list[dict[str, Any]] = []
    after, end = 0, None
    while end is None or after < end:
        page = (await worker.page(token, after=after, **query)).json()
        end = end or page["head"]
        assert page["next"] > after
        told += page["events"]
        after = page["next"]
    return [event for event in told if event["position"] <= end]


async def test_pages_tell_the_whole_record(worker: Served) -> None:
    """Page by page each event of the journal once, in order, as it is."""
    token = await worker.token()
    end = await worker.core.journal.head()
    recorded = await worker.core.journal.read(0, end)
    expected = [as_object(event) | {"data": json.loads(event.data)} for event in recorded]

    told = await walk(worker, token, limit=3)
    assert expected == told[:end]
    assert {"position", "stream", "version", "type", "client", "time", "actor", "source", "trace", "data"} == told[
        0
    ].keys()


async def test_reading_is_an_event(worker: Served) -> None:
    """`audit.read` says who read what, as whom and with which filters; nothing secret is in it."""
    party = await worker.auditor()
    token = await worker.world.issue(party, scope="audit:read")
    before = await worker.core.journal.head()
    page = (await worker.page(token, after=2, limit=5, type=["token.*", "client.*"], client=token)).json()
    (read,) = await worker.core.journal.read(before, 10)

    assert (read.type, read.client, read.actor) == ("audit.read", party.client_id, party.client_id)
    data = json.loads(read.data)
    assert token not in read.data
    assert data.pop("filters") == {"type": "token.*,client.*", "client": "eyJ..."}
    assert {"client_id": party.client_id, "subject": party.client_id, "via": "page", "after": 2, "last": before} == data
    assert page == {"events": [], "next": before, "head": before}


async def test_next_page_is_linked(worker: Served) -> None:
    """RFC 8288: with the same filters, until the end is reached."""
    token = await worker.token()
    first = await worker.page(token, limit=2, type=["resource.*", "client.*"])
    second = await worker.http.get(first.links["next"]["url"], headers=bearer(token))
    assert {"limit", "type", "after"} == set(httpx.URL(first.links["next"]["url"]).params.keys())
    positions = [event["position"] for page in (first, second) for event in page.json()["events"]]
    assert sorted(set(positions)) == positions
    assert len(positions) == 4
    assert "link" in first.headers["access-control-expose-headers"].split(", ")
    assert "link" not in (await worker.page(token, limit=1_000)).headers
    assert (await worker.page(token, after="head")).json()["events"] == []


async def test_rare_filter_looks_through_a_bounded_part(worker: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that found nothing says how far it looked, and the next one goes on there."""
    monkeypatch.setattr(journal_reader, "LOOKED_THROUGH", 4)
    token = await worker.token()
    page = (await worker.page(token, type="key.*", after=3)).json()
    assert (page["events"], page["next"]) == ([], 7)
    assert len(await walk(worker, token, type="key.*")) == 2


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(("query", "parameter"), WRONG)
async def test_what_can_mean_nothing_is_refused(shared: Served, query: dict[str, Any], parameter: str) -> None:
    """400 names the parameter; a filter that is misspelt, empty or repeated is not taken for none."""
    response = await shared.page(await shared.token(), **query)
    assert (response.status_code, response.headers["content-type"]) == (400, "application/problem+json")
    assert parameter == response.json()["parameter"]
    assert 'Bearer realm="tallystick", error="invalid_request"' in response.headers["www-authenticate"]
    data = await rejected(shared)
    assert ("audit", "invalid_request", 400, parameter) == (
        data["endpoint"],
        data["error"],
        data["status"],
        data["detail"],
    )


@pytest.mark.asyncio(loop_scope="session")
async def test_broken_query_is_refused(shared: Served) -> None:
    """So is what cannot be decoded, and a control character."""
    token = await shared.token()
    for query in ("type=%zz", "type", "client=%00", "client=%ff", "&".join(["type=token.*"] * 65)):
        response = await shared.http.get(f"{EVENTS}?{query}", headers=bearer(token))
        assert (response.status_code, response.headers["content-type"]) == (400, "application/problem+json")


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE"])
async def test_other_methods_are_refused(shared: Served, method: str) -> None:
    """405 tells that there is GET alone."""
    response = await shared.http.request(method, EVENTS, headers=bearer(await shared.token()))
    assert (response.status_code, response.headers["allow"]) == (405, "GET")
    assert (await rejected(shared))["reason"] == "method_not_allowed"


@pytest.mark.asyncio(loop_scope="session")
async def test_usage_scope_does_not_open_the_record(shared: Served) -> None:
    """403 `insufficient_scope` names the scope that it takes, and nothing was read."""
    response = await shared.page(await shared.token(USAGE_READ))
    assert response.status_code == 403
    challenge = response.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="audit:read"' in challenge
    assert (await rejected(shared))["reason"] == "scope_missing"
    assert (await shared.page(await shared.token("audit:read usage:read"))).status_code == 200


async def test_what_cannot_be_journalled_is_not_told(worker: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After, for a page and for a stream (promise 1)."""

    async def lost(*_: object) -> None:
        raise JournalTimeout("lost")

    token = await worker.token()
    monkeypatch.setattr(worker.core.journal, "append", lost)
    for accept in ("application/json", "text/event-stream"):
        response = await worker.page(token, {"accept": accept})
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert response.json()["status"] == 503


async def test_waiting_for_a_turn_ends_at_the_deadline(worker: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where others read all the time it is 503, not a wait without end."""
    token, reader = await worker.token(), worker.core.audit.reader
    monkeypatch.setattr(reader, "_deadline", 0.1)
    async with AsyncExitStack() as others:
        for _ in range(journal_reader._CONNECTIONS):
            await others.enter_async_context(reader._turns)
        async with asyncio.timeout(60):
            assert (await worker.page(token)).status_code == 503
    monkeypatch.setattr(reader, "_deadline", 10.0)
    assert (await worker.page(token)).status_code == 200


@pytest.mark.asyncio(loop_scope="session")
async def test_nothing_of_a_token_is_told(shared: Served) -> None:
    """The whole record, read over HTTP, holds no token and no secret (promise 5)."""
    party = await shared.auditor()
    token = await shared.world.issue(party)
    opaque = await shared.world.issue(await shared.world.worker(token_format="opaque"))
    for wrong in (token[:-2] + "AA", opaque[:-1], "x" * 50):
        assert (await shared.page(wrong)).status_code == 401
    await shared.page(token, client=token, subject=opaque)
    text = (await shared.page(token, limit=1_000)).text
    secrets = [token, opaque, party.secret, token.rpartition(".")[2], opaque[-40:]]
    assert [secret for secret in secrets if secret in text] == []


@pytest.mark.asyncio(loop_scope="session")
async def test_a_type_of_every_event_may_be_asked_for(shared: Served) -> None:
    """Each type by its name."""
    token = await shared.token()
    for name in EVENT_TYPES:
        response = await shared.page(token, type=name)
        assert {event["type"] for event in response.json()["events"]} <= {name}

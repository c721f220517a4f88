"""`POST /access/rejected`: what an API may report, and of whom."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from service.own_api.scopes import ACCESS_REPORT, AUDIT_READ, OWN_API
from service.reports.report import LARGEST
from tests.guard.conftest import Api
from tests.guard.reporting import rejected, reported

PATH = "/access/rejected"
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def post(api: Api, body: Any, scope: str = ACCESS_REPORT, media_type: str = "application/json") -> httpx.Response:
    """What a report is answered."""
    party = await api.world.worker(
        resources=(OWN_API,), scopes=(ACCESS_REPORT, AUDIT_READ), introspects=(api.audience,)
    )
    token = await api.world.issue(party, scope=scope)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"authorization": f"Bearer {token}", "content-type": media_type}
    return await api.world.http.post(PATH, content=content, headers=sent)


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"reason": "because"}, "rejections[0].reason"),
        ({"at": 0}, "rejections[0].at"),
        ({"at": 4_000_000_000}, "rejections[0].at"),
        ({"at": "now"}, "rejections[0].at"),
        ({"status": 200}, "rejections[0].status"),
        ({"status": 503}, "rejections[0].status"),
        ({"source_address": "here"}, "rejections[0].source_address"),
        ({"source_address": "fe80::1%eth0"}, "rejections[0].source_address"),
        ({"route": "x" * 300}, "rejections[0].route"),
        ({"id": "short"}, "rejections[0].id"),
        ({"more": 1}, "rejections[0]"),
    ],
)
async def test_report_that_is_none_is_refused_whole(api: Api, change: dict[str, Any], parameter: str) -> None:
    """400 with the place of the mistake; nothing of the report is taken."""
    head = await api.world.core.journal.head()
    answer = await post(api, {"api": api.audience, "rejections": [rejected(**change), rejected()]})
    assert (answer.status_code, answer.json()["parameter"]) == (400, parameter)
    assert await reported(api, head) == []


@pytest.mark.parametrize(
    "body", [b'{"api": "a", "x\\r\\nSet-Cookie: a=b": 1}', '{"é": 1}'.encode(), b'{"' + b"x" * 100_000 + b'": 1}']
)
async def test_names_that_are_none_go_into_no_header(api: Api, body: bytes) -> None:
    """What a report calls its fields is said back shortened, in visible ASCII."""
    answer = await post(api, body)
    assert answer.status_code == 400
    assert len(answer.headers["www-authenticate"]) < 600
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"{}", b"\xff", b'{"api": 1}', b'{"api": "' + b"x" * 3_000 + b'"}'])
async def test_body_that_is_no_report(api: Api, body: bytes) -> None:
    """Whatever comes is answered 400, and is an event."""
    head = await api.world.core.journal.head()
    answer = await post(api, body)
    assert answer.status_code == 400
    (event,) = [each for each in await api.world.core.journal.read(head, 10) if each.type == "access.rejected"]
    assert json.loads(event.data)["endpoint"] == "report"


async def test_too_much_at_once_is_refused(api: Api) -> None:
    """More than a hundred, or more bytes than that could be."""
    too_many = {"api": api.audience, "rejections": [rejected() for _ in range(101)]}
    assert (await post(api, too_many)).json()["parameter"] == "rejections"
    assert (await post(api, b"x" * (LARGEST + 1))).json()["detail"] == "The request is too large."
    assert (await post(api, {}, media_type="text/plain")).status_code == 400


async def test_report_needs_its_scope(api: Api) -> None:
    """Who may read the audit may not write it."""
    answer = await post(api, {"api": api.audience}, scope=AUDIT_READ)
    assert answer.status_code == 403
    assert f'scope="{ACCESS_REPORT}"' in answer.headers["www-authenticate"]
    assert (await api.world.http.get(PATH)).status_code == 405


async def test_api_reports_for_itself_alone(api: Api) -> None:
    """An audience that the client does not introspect is not its to report for."""
    answer = await post(api, {"api": "https://other.example.com", "rejections": [rejected()]})
    assert (answer.status_code, answer.json()["parameter"]) == (400, "api")


@pytest.mark.parametrize("token_id", ["x", "x.1", "019b76da-a800-7000-8000-000000000001.1", "1", ".", "\u0661.\u0661"])
async def test_word_about_a_token_that_is_none_is_not_taken(api: Api, token_id: str) -> None:
    """The refusal is; neither token nor client is in it."""
    head = await api.world.core.journal.head()
    answer = await post(api, {"api": api.audience, "rejections": [rejected(token_id=token_id, client_id="victim")]})
    assert answer.json() == {"taken": 1}
    (event,) = await reported(api, head)
    assert "token_id" not in json.loads(event.data)
    assert event.client == "_"


async def test_word_about_another_apis_token_is_not_taken(api: Api) -> None:
    """So no API can have a client of others found out for what it did not do."""
    token = await api.world.issue(api.world.service)
    other = (await api.world.introspect(token)).body["jti"]
    head = await api.world.core.journal.head()
    await post(api, {"api": api.audience, "rejections": [rejected(token_id=other, client_id="billing-worker")]})
    (event,) = await reported(api, head)
    assert event.client == "_"

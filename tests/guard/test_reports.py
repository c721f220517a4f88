"""What a guard refused becomes an event of Tallystick's; and who may say so of whom."""

from __future__ import annotations

import json
import re
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from schema.envelope import RecordedEvent
from service.own_api.scopes import ACCESS_REPORT, AUDIT_READ, OWN_API
from service.reports.report import LARGEST, REASONS
from tallystick_guard import NOTHING_MORE, Guard, Needs, Refused
from tallystick_guard import report as report_module
from tallystick_guard.report import Reporter
from tests.guard.conftest import Api
from tests.guard.issuer import Issuer, request
from tests.relay.support import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATH = "/access/rejected"


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports are sent, and sent again, without delay."""
    monkeypatch.setattr(report_module, "_PAUSE", 0.01)
    monkeypatch.setattr(report_module, "_RETRY", 0.01)


async def reported(api: Api, after: int) -> list[RecordedEvent]:
    """The events about what this API refused, after a position."""
    events = await api.world.core.journal.read(after, 10_000)
    return [event for event in events if json.loads(event.data).get("api") == api.audience]


async def until_reported(api: Api, after: int, count: int) -> list[RecordedEvent]:
    """The same, once there are so many."""

    async def all_there() -> bool:
        return len(await reported(api, after)) >= count

    await until(all_there)
    return await reported(api, after)


async def refuse(guard: Guard, scope: dict[str, Any], needs: Needs = NOTHING_MORE, route: str | None = None) -> None:
    """A request that is refused."""
    with pytest.raises(Refused):
        await guard.authorize(scope, needs, route)


async def test_refusal_becomes_an_event_with_all_that_is_known(api: Api) -> None:
    """Who, what, from where, what was needed and what was there; the actor is the API."""
    token, head = await api.token(), await api.world.core.journal.head()
    async with api.guard() as guard:
        await refuse(guard, request(token, method="DELETE"), Needs.of("admin read:things"), "/users/{id}")
        (event,) = await until_reported(api, head, 1)
    assert (event.type, event.client, event.actor) == ("access.rejected", api.caller.client_id, api.party.client_id)
    assert event.source == "203.0.113.7"
    data = json.loads(event.data)
    assert abs(data.pop("rejected_at") - time.time()) < 60
    assert data.pop("token_id").endswith(".1")
    assert data == {
        "endpoint": "api",
        "error": "insufficient_scope",
        "reason": "scope_missing",
        "status": 403,
        "client_id": api.caller.client_id,
        "user_agent": "test/1.0",
        "api": api.audience,
        "method": "DELETE",
        "route": "/users/{id}",
        "required_scope": "admin read:things",
        "present_scope": "read:things write:things",
    }


async def test_every_refusal_is_told_once(api: Api) -> None:
    """More than one batch of them."""
    head = await api.world.core.journal.head()
    async with api.guard() as guard:
        for number in range(120):
            await refuse(guard, request(path=f"/{number}"))
        events = await until_reported(api, head, 120)
    assert sorted(json.loads(event.data)["route"] for event in events) == sorted(f"/{number}" for number in range(120))


async def test_what_waits_is_told_when_the_guard_closes(api: Api) -> None:
    """A process that ends in order loses none."""
    head = await api.world.core.journal.head()
    async with api.guard() as guard:
        await refuse(guard, request())
    assert len(await reported(api, head)) == 1


async def test_no_token_is_in_an_event(api: Api) -> None:
    """Not even one that was sent where it does not belong."""
    token, head = await api.token(), await api.world.core.journal.head()
    api.world.secrets.add(token)
    async with api.guard() as guard:
        await refuse(guard, request("x", query=f"access_token={token}".encode()))
        await refuse(guard, request(path=f"/users/{token}"))
        await refuse(guard, request(headers=((b"user-agent", token.encode()),)))
        events = await until_reported(api, head, 3)
    assert [event for event in events if token in event.data] == []


async def test_reporting_never_breaks_a_request(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """An API whose client may not report refuses as ever, and its log says why nothing is told."""
    party = await api.world.introspector(api.audience)
    async with api._replace(party=party).guard() as guard:
        await refuse(guard, request())
        await until(lambda: "refusals are not reported yet: no token for reporting" in caplog.text)
        await refuse(guard, request())


class Unsteady:
    """An HTTP client's transport that fails, or loses the answer, a few times."""

    def __init__(self, api: Api, faults: list[int | Exception]) -> None:
        self._inner = api.guard()._http
        self._faults = faults

    async def handle(self, asking: httpx.Request) -> httpx.Response:
        """Answer a request; of a report, a fault comes after Tallystick has taken it."""
        answer = await self._inner.send(
            httpx.Request(asking.method, asking.url, headers=asking.headers, content=asking.content)
        )
        if asking.url.path == PATH and self._faults:
            fault = self._faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return httpx.Response(fault)
        return answer


async def test_report_whose_answer_is_lost_is_not_counted_twice(api: Api) -> None:
    """It is sent again with the same ids, and taken once."""
    head = await api.world.core.journal.head()
    unsteady = Unsteady(api, [httpx.ReadError("cut"), 503, 401])
    http = httpx.AsyncClient(transport=httpx.MockTransport(unsteady.handle))
    known: dict[str, Any] = {"client_id": api.party.client_id, "client_secret": api.party.secret}
    async with Guard(api.world.core.issuer, api.audience, http=http, **known) as guard:
        for number in range(3):
            await refuse(guard, request(path=f"/{number}"))
        await until(lambda: unsteady._faults == [])
    assert len(await reported(api, head)) == 3


async def test_one_odd_request_takes_no_other_refusal_along(api: Api) -> None:
    """A method or an address as no client sends them: the others of its batch are told all the same."""
    head = await api.world.core.journal.head()
    async with api.guard() as guard:
        for number in range(5):
            await refuse(guard, request(path=f"/{number}"))
        await refuse(guard, request(method="X" * 40, path="/odd") | {"client": ("nowhere", 1)})
        for number in range(5, 10):
            await refuse(guard, request(path=f"/{number}"))
        assert guard._reporter is not None
        guard._reporter.put(rejected(status=200, route="/spoilt"))
        for number in range(10, 15):
            await refuse(guard, request(path=f"/{number}"))
        events = await until_reported(api, head, 16)
    routes = {json.loads(event.data)["route"] for event in events}
    assert routes == {"/odd", *(f"/{number}" for number in range(15))}


async def test_what_cannot_be_kept_is_counted(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of an API that cannot tell is bounded; the number of those that it dropped is told in the end."""
    monkeypatch.setattr(report_module, "_KEPT", 5)
    head = await api.world.core.journal.head()
    async with api.guard() as guard:
        for number in range(12):
            await refuse(guard, request(path=f"/{number}"))
        events = [json.loads(event.data) for event in await until_reported(api, head, 6)]
    assert [event["route"] for event in events if event["reason"] == "no_token"] == [f"/{n}" for n in range(7, 12)]
    assert [event["detail"] for event in events if event["reason"] == "reports_dropped"] == ["7"]


async def test_nothing_is_reported_where_that_is_not_wanted(api: Api) -> None:
    """By setting, or for want of a client."""
    head = await api.world.core.journal.head()
    for settings in ({"report": False}, {"credentials": False}):
        async with api.guard(**settings) as guard:
            await refuse(guard, request())
    assert await reported(api, head) == []
    async with Issuer().guard() as guard:
        assert guard._reporter is None


# --- the endpoint -----------------------------------------------------------------------------------------


def rejected(**changes: Any) -> dict[str, Any]:
    """A refusal as it is reported, but for the changes."""
    told = {
        "id": uuid.uuid4().hex,
        "at": time.time(),
        "method": "GET",
        "route": "/x",
        "reason": "no_token",
        "status": 401,
    }
    return told | changes


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


async def test_every_reason_of_the_guard_is_known() -> None:
    """What the guard says, Tallystick takes: no refusal of the package is one that cannot be reported."""
    said = set()
    for path in (Path(__file__).parents[2] / "guard/tallystick_guard").glob("*.py"):
        text = path.read_text()
        said |= set(re.findall(r'bad_token\("([a-z_]+)"\)', text))
        said |= set(re.findall(r'Refused\(\s*[A-Z_"]+,\s*"([a-z_]+)"', text))
        said |= set(re.findall(r'jwt\.\w+Error, "([a-z_]+)"\)', text)) | set(
            re.findall(r'isinstance\(error, kind\)\), "([a-z_]+)"', text)
        )
    assert said == set(REASONS)


async def test_reporter_that_has_nothing_to_say_closes() -> None:
    """Without a task, and without a connection."""
    issuer = Issuer()
    guard = issuer.guard(client_id="x", client_secret="y")
    assert isinstance(guard._reporter, Reporter)
    await guard.close()
    assert issuer.asked == []

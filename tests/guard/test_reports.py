"""What a guard refused becomes an event of Tallystick's."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from schema.envelope import RecordedEvent
from service.reports.report import REASONS
from tallystick_guard import NOTHING_MORE, Guard, Needs, Refused
from tallystick_guard import report as report_module
from tallystick_guard.report import Reporter
from tests.guard.conftest import Api
from tests.guard.issuer import Issuer, request
from tests.guard.reporting import rejected, reported
from tests.relay.support import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATH = "/access/rejected"


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports are sent, and sent again, without delay."""
    monkeypatch.setattr(report_module, "_PAUSE", 0.01)
    monkeypatch.setattr(report_module, "_RETRY", 0.01)


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


async def test_those_without_a_token_push_out_no_refusal_of_a_known_one(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many send no token or noise, what a token that is known was refused is told; so is how many were not."""
    monkeypatch.setattr(report_module, "_KEPT", 5)
    token, head = await api.token(), await api.world.core.journal.head()
    async with api.guard() as guard:
        for number in range(3):
            await refuse(guard, request(token, path=f"/known/{number}"), Needs.of("admin"))
            for each in range(4):
                await refuse(guard, request(path=f"/none/{number}{each}"))
                await refuse(guard, request("noise", path=f"/noise/{number}{each}"))
        events = [json.loads(event.data) for event in await until_reported(api, head, 6)]
    routes = {event["route"] for event in events if event["reason"] != "reports_dropped"}
    assert routes == {"/known/0", "/known/1", "/known/2", "/none/23", "/noise/23"}
    assert [event["detail"] for event in events if event["reason"] == "reports_dropped"] == ["22"]

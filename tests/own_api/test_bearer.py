from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from schema.events import AccountDisabled, ResourceRegistered, RoleRegistered
from schema.streams import account_stream, resource_stream, role_stream
from service.bootstrap import open_worker
from service.endpoints.exchange import Exchange
from service.http.request import HttpRequest
from service.own_api.bearer import Caller, authorize
from service.own_api.scopes import AUDIT_READ, OWN_API, USAGE_READ
from service.settings import Settings
from tests.audit.world import EVENTS, Served, bearer, served
from tests.endpoints.granting import app, granted, person, redeem

ELSEWHERE = "https://elsewhere.example.com"


@pytest.fixture
async def worker(settings: Settings) -> AsyncIterator[Served]:
    """A worker on a real socket."""
    async with open_worker(settings) as core, served(core) as serving:
        await serving.world.populate()
        yield serving


async def refused(worker: Served, **request: Any) -> tuple[httpx.Response, dict[str, Any]]:
    """A refusal and its event, which is the only one."""
    before = await worker.core.journal.head()
    response = await worker.http.get(EVENTS, **request)
    (event,) = await worker.core.journal.read(before, 10)
    data: dict[str, Any] = json.loads(event.data)
    assert (event.type, data["endpoint"], data["status"]) == ("access.rejected", "audit", response.status_code)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["status"] == response.status_code
    return response, data


async def caller(worker: Served, token: str, scope: str = AUDIT_READ) -> Caller:
    """Who presents a token."""
    headers = [(b"authorization", f"Bearer {token}".encode())]
    scope_of_asgi: Any = {"method": "GET", "path": EVENTS, "headers": headers}
    receive: Any = None
    return await authorize(Exchange(worker.core, "audit", HttpRequest(scope_of_asgi, receive)), scope)


async def test_without_a_token_the_challenge_names_no_error(worker: Served) -> None:
    """RFC 6750 section 3."""
    for header in ({}, {"authorization": "Basic eDp5"}, {"authorization": "Bearer"}):
        response, event = await refused(worker, headers=header)
        assert (response.status_code, event["reason"]) == (401, "no_token")
        assert response.headers["www-authenticate"] == 'Bearer realm="tallystick"'


async def test_token_in_the_address_is_refused(worker: Served) -> None:
    """RFC 9700 section 4.3.2: not even beside a good header."""
    token = await worker.token()
    for headers in ({}, bearer(token)):
        response, event = await refused(worker, params={"access_token": token}, headers=headers)
        assert (response.status_code, event["reason"]) == (400, "token_in_query")
        assert token not in json.dumps(event)


async def test_token_that_is_not_active_is_refused(worker: Served) -> None:
    """401 `invalid_token`; only the event tells why."""
    revoked = await worker.token(token_format="opaque")
    await worker.revoke(revoked)
    refusals = {revoked: "token_revoked", "x.y.z": "token_unknown", "tly_at_x": "token_malformed"}
    for token, detail in refusals.items():
        response, event = await refused(worker, headers=bearer(token))
        assert (response.status_code, event["reason"], event["detail"]) == (401, "token_not_active", detail)
        assert 'error="invalid_token"' in response.headers["www-authenticate"]


async def test_token_for_another_api_is_refused(worker: Served) -> None:
    """Even where that API has a scope of the same name."""
    registered = ResourceRegistered(uri=ELSEWHERE, scopes={AUDIT_READ: "Another audit"})
    await worker.world.append(resource_stream(ELSEWHERE), 0, registered)
    token = await worker.token(resources=(ELSEWHERE,))
    response, event = await refused(worker, headers=bearer(token))
    assert (response.status_code, event["reason"]) == (401, "token_of_other_audience")


async def test_scopes_do_not_open_each_others_doors(worker: Served) -> None:
    """The audit scope does not give usage, nor the reverse."""
    for held, wanted in ((USAGE_READ, AUDIT_READ), (AUDIT_READ, USAGE_READ)):
        with pytest.raises(Exception, match="scope_missing"):
            await caller(worker, await worker.token(held), wanted)
        assert (await caller(worker, await worker.token(held), held)).core is worker.core


async def test_person_reads_by_a_role(worker: Served) -> None:
    """Without the role the scope is not theirs to give; with it subject and actor of what they read are theirs."""
    world, core = worker.world, worker.core
    party = await app(world, resources=(OWN_API,), scopes=(AUDIT_READ, "openid"))
    asked: dict[str, Any] = {"scope": f"{AUDIT_READ} openid", "resources": (OWN_API,)}
    unknown = await redeem(world, party, await granted(core, party, await person(core), **asked))
    assert unknown.body["scope"] == "openid"
    await world.append(role_stream("auditors"), 0, RoleRegistered(name="auditors", scopes=(AUDIT_READ,)))
    who = await person(core, "auditors")
    token = (await redeem(world, party, await granted(core, party, who, **asked))).body["access_token"]
    presented = await caller(worker, token)
    assert (presented.client_id, presented.subject) == (party.client_id, who.subject)
    assert (await worker.page(token)).status_code == 200
    (read,) = await core.journal.read(await core.journal.head() - 1, 1)
    assert (read.type, read.actor, json.loads(read.data)["subject"]) == (
        "audit.read",
        f"account:{who.subject}",
        who.subject,
    )
    stream = account_stream(who.name)
    version = len(await core.journal.read_stream(stream))
    await world.append(stream, version, AccountDisabled(subject=who.subject))
    assert await presented.still_active() is False


async def test_still_active_follows_what_ends_a_token(worker: Served) -> None:
    """Grant and client."""
    token = await worker.token()
    presented = await caller(worker, token)
    assert await presented.still_active() is True
    await worker.revoke(token)
    assert await presented.still_active() is False
    party = await worker.auditor()
    presented = await caller(worker, await worker.world.issue(party, scope=AUDIT_READ))
    assert presented.client_id == presented.subject == party.client_id
    await worker.world.disable(party)
    assert await presented.still_active() is False

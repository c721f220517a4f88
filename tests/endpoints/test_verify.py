"""`/verify`: what a gateway is told of a request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from service.journal.port import JournalUnavailable
from tests.endpoints.granting import app, first_tokens, person
from tests.endpoints.world import REVOKE, SCOPES, USERS, World

VERIFY = "/verify"
NONE: Mapping[str, str] = {}
NOT_ENOUGH = 'error="insufficient_scope", error_description="The access token is not enough for this."'
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def verified(world: World, token: str | None, headers: Mapping[str, str] = NONE, **query: Any) -> httpx.Response:
    """What a gateway in front of the users API is answered."""
    sent = {} if token is None else {"authorization": f"Bearer {token}"}
    return await world.http.get(VERIFY, params={"audience": USERS} | query, headers=sent | dict(headers))


async def refused(
    world: World, token: str | None, headers: Mapping[str, str] = NONE, **query: Any
) -> tuple[int, str, str]:
    """Status, challenge and reason of a refusal, which is an event."""
    head = await world.core.journal.head()
    answer = await verified(world, token, headers, **query)
    (event,) = await world.core.journal.read(head, 10)
    data = json.loads(event.data)
    assert (event.type, data["endpoint"], data["status"]) == ("access.rejected", "verify", answer.status_code)
    assert "x-auth-subject" not in answer.headers
    return answer.status_code, answer.headers.get("www-authenticate", ""), data["reason"]


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
async def test_good_token_passes_with_who_asks(world: World, token_format: str, method: str) -> None:
    """Whatever the method of the request that the gateway asks about."""
    party = await world.worker(token_format=token_format)
    token = await world.issue(party, scope="read:users")
    query = {"audience": USERS, "scope": "read:users"}
    answer = await world.http.request(method, VERIFY, params=query, headers={"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["x-auth-subject"] == answer.headers["x-auth-client"] == party.client_id
    assert answer.headers["x-auth-scope"] == "read:users"
    assert answer.headers["x-auth-token-id"].endswith(".1")
    assert (answer.headers["x-auth-roles"], answer.headers["x-auth-acr"]) == ("", "")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "authorization"


async def test_what_is_not_enough_is_refused_by_401_or_403(world: World) -> None:
    """With the challenge of RFC 6750 section 3; a gateway takes anything else for a fault."""
    party = await world.worker()
    token = await world.issue(party, scope="read:users")
    bare = 'Bearer realm="tallystick"'
    assert await refused(world, None) == (401, bare, "no_token")
    status, challenge, reason = await refused(world, "x.y.z")
    assert (status, reason) == (401, "token_not_active")
    assert 'error="invalid_token"' in challenge
    status, challenge, reason = await refused(world, token, scope=["write:users", "read:users"])
    assert (status, reason) == (403, "scope_missing")
    assert challenge.endswith(f'{NOT_ENOUGH}, scope="read:users write:users"')

    assert (await refused(world, token, role="clerk"))[::2] == (403, "role_missing")
    assert (await refused(world, token, audience="https://other.example.com"))[::2] == (401, "token_of_other_audience")
    await world.http.post(REVOKE, data={"token": token}, headers=party.basic)
    assert (await refused(world, token))[::2] == (401, "token_not_active")


async def test_two_authorizations_are_no_token(world: World) -> None:
    """Neither counts."""
    token = await world.issue(world.service)
    twice = [("authorization", f"Bearer {token}")] * 2
    answer = await world.http.get(VERIFY, params={"audience": USERS}, headers=twice)
    assert answer.status_code == 401


@pytest.mark.parametrize("name", ["x-original-uri", "x-original-url", "x-forwarded-uri", "x-envoy-original-path"])
@pytest.mark.parametrize(
    "address", ["/a?access_token={}", "/a?b=1&access%5Ftoken={}#x", "https://api/a?%ff&access_token={}"]
)
async def test_token_in_the_address_is_refused(world: World, name: str, address: str) -> None:
    """Even beside a good header; an address without one passes, however odd it is."""
    token = await world.issue(world.service)
    status, challenge, reason = await refused(world, token, {name: address.format(token)})
    assert (status, reason) == (401, "token_in_query")
    assert 'error="invalid_request"' in challenge
    for harmless in ("/a?b=%zz", "/access_token", "/a?x=access_token", "", "?", "/a?" + "x&" * 100):
        assert (await verified(world, token, {name: harmless})).status_code == 200, harmless


IN_PATH = "audience=" + USERS.replace("/", "%2F")


@pytest.mark.parametrize("method", ["GET", "POST", "PROPFIND"])
async def test_needs_may_stand_before_the_path_of_the_request(world: World, method: str) -> None:
    """As Envoy's `ext_authz` asks: nothing that a caller writes changes them, be it its path, its query or a header."""
    token = await world.issue(world.service, scope="read:users")
    headers = {"authorization": f"Bearer {token}"}
    good = f"/verify/{IN_PATH}&scope=read:users"
    for rest in (
        "",
        "/",
        "//a",
        "/a/b?page=2",
        "/a?scope=write:users&audience=x",
        "/&scope=write:users/..;/",
        "/%2e%2e/",
    ):
        answer = await world.http.request(method, good + rest, headers=headers)
        assert (answer.status_code, answer.headers.get("x-auth-scope")) == (200, "read:users"), rest
    spoofed = headers | {"x-verify-scope": "read:users", "x-original-uri": "/verify?audience=x"}
    for rest in ("/a", "/a?scope=read:users", f"/{IN_PATH}&scope=read:users/"):
        answer = await world.http.request(method, f"/verify/{IN_PATH}&scope=write:users{rest}", headers=spoofed)
        assert (answer.status_code, answer.headers.get("x-auth-scope")) == (403, None), rest


async def test_token_in_the_query_behind_the_needs_is_refused(world: World) -> None:
    """Whatever a caller says that its address is."""
    token = await world.issue(world.service)
    headers = {"authorization": f"Bearer {token}", "x-original-uri": "/?", "x-envoy-original-path": "/"}
    answer = await world.http.get(f"/verify/{IN_PATH}/a?access_token={token}&b=1", headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (401, "The access token must not be part of the address.")


@pytest.mark.parametrize(
    "path", ["/", "//", f"//{IN_PATH}/", "/a/b", f"%2F{IN_PATH}/", "/audience=/", f"/{IN_PATH}&scopes=read:users/"]
)
async def test_needs_that_are_a_mistake_let_nobody_pass(world: World, path: str) -> None:
    """400, as in the query."""
    token = await world.issue(world.service)
    answer = await world.http.get(f"/verify{path}", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 400


async def test_what_passes_is_counted_as_used(world: World) -> None:
    """As an introspection by nobody who is a client; what does not pass is not."""
    party = await world.worker()
    token = await world.issue(party, scope="read:users")
    for _ in range(3):
        assert (await verified(world, token, scope="read:users")).status_code == 200
    assert (await verified(world, token, scope="write:users")).status_code == 403
    head = await world.core.journal.head()
    await world.core.introspections.record()
    recorded = [json.loads(event.data) for event in await world.core.journal.read(head, 1_000)]
    (counted,) = (
        count for data in recorded if data["client_id"] == party.client_id for count in data["introspections"]
    )
    assert (counted["introspector"], counted["count"], counted["scope"]) == ("_", 3, "read:users")
    assert counted["resource"] == USERS


async def test_roles_are_those_of_now(world: World) -> None:
    """A person's, which may have changed since the token was issued."""
    who = await person(world.core)
    party = await app(world)
    token = (await first_tokens(world, party, who))["access_token"]
    answer = await verified(world, token, scope=" ".join(SCOPES[USERS]))
    assert (answer.status_code, answer.headers["x-auth-acr"]) == (200, "2fa")
    assert answer.headers["x-auth-subject"] == who.subject
    assert (await refused(world, token, role="clerk"))[2] == "role_missing"


async def test_answer_may_be_kept_for_as_long_as_the_gateway_said(world: World) -> None:
    """And never longer than the token lives."""
    token = await world.issue(world.service)
    answer = await verified(world, token, max_age=5)
    assert (answer.headers["cache-control"], answer.headers["x-accel-expires"]) == ("private, max-age=5", "5")
    names = [name for name, _ in answer.headers.multi_items()]
    assert names.index("x-accel-expires") < names.index("cache-control")  # nginx heeds the first
    assert "x-accel-expires" not in (await verified(world, token)).headers
    said = (await verified(world, token, max_age=3_600)).headers["cache-control"]
    assert 0 < int(said.removeprefix("private, max-age=")) <= 600


@pytest.mark.parametrize(
    "query",
    [
        {"audience": ""},
        {"audience": [USERS, USERS]},
        {"max_age": "x"},
        {"max_age": "-1"},
        {"max_age": "3601"},
        {"max_age": "9" * 20},
        {"max_age": "\u0665"},
        {"scopes": "read:users"},
        {"scope": ""},
        {"scope": " "},
        {"scope": ["read:users", " "]},
        {"scope": "\u00e9"},
        {"scope": '" x'},
        {"scope": "x\\"},
        {"scope": "read:users\u3000write:users"},
        {"scope": "read:users\twrite:users"},
        {"role": "\u00e9"},
        {"role": 'clerk"'},
    ],
)
async def test_configuration_that_is_a_mistake_lets_nobody_pass(world: World, query: dict[str, Any]) -> None:
    """400, which a gateway takes for a fault: a misspelt `scope` must not become no scope."""
    token = await world.issue(world.service)
    assert (await refused(world, token, **query))[0] == 400
    answer = await world.http.get(VERIFY, headers={"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["parameter"]) == (400, "audience")


async def test_worker_that_cannot_know_lets_nobody_pass(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 where freshness cannot be known."""
    token = await world.issue(world.service)

    async def stale() -> None:
        raise JournalUnavailable("cut off")

    monkeypatch.setattr(world.core.follower, "ensure_fresh", stale)
    assert (await verified(world, token)).status_code == 503

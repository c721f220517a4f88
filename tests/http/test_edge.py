"""What holds for every request and answer: proxies, plain HTTP, headers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest

from service.endpoints.core import Core
from service.http.app import create_app
from tests.conftest import ISSUER

TOKEN = "/oauth2/token"
PATHS = (TOKEN, "/oauth2/introspect", "/.well-known/openid-configuration", "/sign-in", "/audit/events", "/nowhere")


@asynccontextmanager
async def client(
    core: Core, source: str | None = "203.0.113.9", scheme: str = "http", **changes: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client at an address, or at none that is known, of a worker with other settings."""
    changed = core._replace(settings=msgspec.structs.replace(core.settings, **changes))
    address: Any = None if source is None else (source, 1)
    transport = httpx.ASGITransport(create_app(changed), client=address)  # type: ignore[arg-type]  # two spellings
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER.replace("https", scheme)) as http:
        yield http


async def refusals(core: Core) -> list[dict[str, Any]]:
    """The refusals by plain HTTP, and where each came from."""
    events = await core.journal.read(0, 1_000)
    found = [(event.source, json.loads(event.data)) for event in events if event.type == "access.rejected"]
    return [{"source": source} | data for source, data in found if data["reason"] == "plain_http"]


async def test_plain_http_from_elsewhere_is_refused_everywhere(core: Core) -> None:
    """403 with its event, before anything of the request is looked at."""
    async with client(core) as http:
        for path in PATHS:
            answer = await http.post(path, data={"grant_type": "client_credentials"})
            assert answer.status_code == 403
            assert answer.headers["content-type"] == "application/problem+json"
            assert "strict-transport-security" not in answer.headers
    told = await refusals(core)
    assert len(told) == len(PATHS)
    assert {(each["source"], each["endpoint"], each["status"]) for each in told} == {("203.0.113.9", "plain_http", 403)}


async def test_who_has_no_address_is_not_this_machine(core: Core) -> None:
    """Plain HTTP from nowhere is refused as that from elsewhere."""
    async with client(core, source=None) as http:
        assert (await http.post(TOKEN)).status_code == 403
    assert [each["source"] for each in await refusals(core)] == [None]


async def test_probes_and_the_machine_itself_may_come_plain(core: Core) -> None:
    """Health and metrics from anywhere; everything from loopback, however that is written."""
    async with client(core) as http:
        for path in ("/health/live", "/health/ready", "/metrics"):
            assert (await http.get(path)).status_code in {200, 503}
    for source in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
        async with client(core, source) as http:
            assert (await http.post(TOKEN)).status_code == 400
    async with client(core, insecure_http=True) as http:
        assert (await http.post(TOKEN)).status_code == 400
    assert await refusals(core) == []


async def test_trusted_proxy_says_who_asks_and_how(core: Core) -> None:
    """By HTTPS it is served, and the events know who; by HTTP it is refused, though the proxy is next door."""
    headers = {"x-forwarded-for": "6.6.6.6, 198.51.100.4", "x-forwarded-proto": "https"}
    for peer in ("10.0.0.1", "127.0.0.1"):
        async with client(core, peer, trusted_proxies="10.0.0.0/8,127.0.0.1") as http:
            head = await core.journal.head()
            assert (await http.post(TOKEN, headers=headers)).status_code == 400
            (event,) = await core.journal.read(head, 10)
            assert event.source == "198.51.100.4"
            assert (await http.post(TOKEN, headers=headers | {"x-forwarded-proto": "http"})).status_code == 403
    assert {each["source"] for each in await refusals(core)} == {"198.51.100.4"}


async def test_headers_of_strangers_change_nothing(core: Core) -> None:
    """Who is no trusted proxy is the source, and is refused."""
    spoofed = {
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "https",
        "forwarded": "for=127.0.0.1;proto=https",
        "x-real-ip": "127.0.0.1",
        "x-forwarded-host": "evil.example.com",
        "x-forwarded-ssl": "on",
        "front-end-https": "on",
    }
    for settings in ({}, {"trusted_proxies": "10.0.0.0/8"}):
        async with client(core, **settings) as http:
            assert (await http.post(TOKEN, headers=spoofed)).status_code == 403
    assert {each["source"] for each in await refusals(core)} == {"203.0.113.9"}


@pytest.mark.parametrize("path", [*PATHS, "/health/live", "/metrics"])
async def test_every_answer_has_the_headers_of_safety(core: Core, path: str) -> None:
    """By HTTPS also that browsers come by it alone; none is there twice."""
    async with client(core, scheme="https") as http:
        answer = await http.get(path)
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert len(answer.headers.get_list("referrer-policy")) == 1
    assert answer.headers.get_list("strict-transport-security") == ["max-age=31536000"]
    async with client(core, scheme="https", hsts_max_age=0) as http:
        assert "strict-transport-security" not in (await http.get(path)).headers


@pytest.mark.parametrize(
    ("header", "headers"),
    [
        ("forwarded", {"forwarded": "for=_hidden;proto=http"}),
        ("x-forwarded-for", {"x-forwarded-for": "unknown", "x-forwarded-proto": "http"}),
        ("x-forwarded-for", {"x-forwarded-for": "127.0.0.1, 10.2.3.4", "x-forwarded-proto": "http"}),
        ("x-forwarded-for", {"x-forwarded-proto": "http"}),
    ],
)
async def test_who_comes_through_a_proxy_is_not_this_machine(core: Core, header: str, headers: dict[str, str]) -> None:
    """Whatever address is told: plain HTTP at a proxy on this machine was plain HTTP on the network."""
    async with client(core, "127.0.0.1", trusted_proxies="127.0.0.1,10.0.0.0/8", proxy_header=header) as http:
        assert (await http.post(TOKEN, headers=headers)).status_code == 403
        assert (await http.post(TOKEN)).status_code == 400

"""Tokens that the guard asks Tallystick about (RFC 7662)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from tallystick_guard import Guard, Needs, Refused, Unavailable
from tests.guard.conftest import Api, http_of
from tests.guard.issuer import request

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_opaque_token_gives_its_rights(api: Api) -> None:
    """What introspection answers is what the API sees."""
    token = await api.token(token_format="opaque")
    async with api.guard() as guard:
        access = await guard.authorize(request(token), Needs.of("read:things"))
        assert access.scopes == {"read:things", "write:things"}
        with pytest.raises(Refused, match="scope_missing"):
            await guard.authorize(request(token), Needs.of("admin"))


async def test_jwt_needs_no_question(api: Api) -> None:
    """A JWT is verified by the keys alone."""
    async with api.guard(credentials=False) as guard:
        assert (await guard.authorize(request(await api.token()))).client_id == api.caller.client_id
        with pytest.raises(Refused, match="token_malformed"):
            await guard.authorize(request(await api.token(token_format="opaque")))


async def test_answers_are_kept_for_as_long_as_it_was_told(api: Api) -> None:
    """A revoked token is good until the answer is too old, and then never again."""
    caller = await api.world.worker(resources=(api.audience,), scopes=("read:things",))
    token = await api.world.issue(caller)
    async with api.guard(introspect=True, introspection_ttl=60.0) as guard:
        await guard.authorize(request(token))
        await api.revoke(token, caller)
        await guard.authorize(request(token))
        for known in guard._known.values():
            known.until = time.time() - 1
        for _ in range(2):
            with pytest.raises(Refused, match="token_not_active"):
                await guard.authorize(request(token))


async def test_token_for_another_api_is_refused(api: Api) -> None:
    """Introspection itself does not tell of it; the guard would not take it either."""
    other = await api.world.issue(api.world.service)
    async with api.guard(introspect=True) as guard:
        with pytest.raises(Refused, match="token_not_active"):
            await guard.authorize(request(other))
    async with api.guard() as guard:
        with pytest.raises(Refused, match="token_of_other_audience"):
            await guard.authorize(request(other))


def answering(api: Api, answer: Any, asked: list[str]) -> httpx.AsyncClient:
    """An HTTP client whose introspection is answered otherwise; everything else goes to Tallystick."""
    worker = http_of(api.world)

    async def handle(asking: httpx.Request) -> httpx.Response:
        if asking.url.path != "/oauth2/introspect":
            return await worker.send(asking)
        asked.append(asking.content.decode())
        await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(*answer[:1], json=answer[1]) if isinstance(answer, tuple) else httpx.Response(answer)

    return httpx.AsyncClient(transport=httpx.MockTransport(handle))


GOOD = {"active": True, "sub": "x", "client_id": "x", "scope": "a", "iat": 1, "exp": 4_000_000_000}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((200, GOOD | {"aud": "https://other.example.com"}), "token_of_other_audience"),
        ((200, GOOD), "token_of_other_audience"),
        ((200, {"active": "true"}), "token_not_active"),
        ((200, {}), "token_not_active"),
    ],
)
async def test_answer_that_is_not_for_this_api(api: Api, answer: Any, reason: str) -> None:
    """A server that answers for another audience, or says not quite `true`, has not said yes."""
    http = answering(api, answer, [])
    async with Guard(
        api.world.core.issuer, api.audience, client_id="x", client_secret="y", report=False, http=http
    ) as guard:
        with pytest.raises(Refused, match=reason):
            await guard.authorize(request("tly_at_x"))


@pytest.mark.parametrize(
    "change", [{"iss": "https://evil.example.com"}, {"cnf": {"jkt": "x"}}, {"scope": 7}, {"exp": None}]
)
async def test_answer_of_another_kind(api: Api, change: dict[str, Any]) -> None:
    """Another issuer, a bound token, and claims that are none are refused as JWTs with them are."""
    http = answering(api, (200, GOOD | {"aud": api.audience} | change), [])
    async with Guard(
        api.world.core.issuer, api.audience, client_id="x", client_secret="y", report=False, http=http
    ) as guard:
        with pytest.raises(Refused):
            await guard.authorize(request("tly_at_x"))


@pytest.mark.parametrize("answer", [503, 401, 403, (200, []), httpx.ConnectError("refused")])
async def test_no_answer_is_no_refusal(api: Api, answer: Any) -> None:
    """503: the caller may try again, and nothing is taken for good or bad."""
    http = answering(api, answer, [])
    async with Guard(
        api.world.core.issuer, api.audience, client_id="x", client_secret="y", report=False, http=http
    ) as guard:
        with pytest.raises(Unavailable):
            await guard.authorize(request("tly_at_x"))


async def test_many_who_show_one_token_share_a_question(api: Api) -> None:
    """One question, of which Tallystick is told who asked first; each gets the answer."""
    asked: list[str] = []
    http = answering(api, (200, GOOD | {"aud": api.audience}), asked)
    async with Guard(
        api.world.core.issuer, api.audience, client_id="x", client_secret="y", report=False, http=http
    ) as guard:
        answers = await asyncio.gather(*(guard.authorize(request("tly_at_x")) for _ in range(20)))
        assert {access.client_id for access in answers} == {"x"}
    assert asked == ["token=tly_at_x&source_address=203.0.113.7&user_agent=test%2F1.0"]


async def test_who_gives_up_leaves_the_question_to_the_others(api: Api) -> None:
    """A request that is cancelled takes no other's answer away."""
    http = answering(api, (200, GOOD | {"aud": api.audience}), [])
    async with Guard(
        api.world.core.issuer, api.audience, client_id="x", client_secret="y", report=False, http=http
    ) as guard:
        first, second = (asyncio.create_task(guard.authorize(request("tly_at_x"))) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).client_id == "x"


async def test_introspection_needs_a_client() -> None:
    """Who asks without one is told at once, not with the first opaque token."""
    for settings in ({"introspect": True}, {"when_cut_off": "introspect", "nats_url": "nats://127.0.0.1:1"}):
        with pytest.raises(ValueError, match="client_id"):
            Guard("https://auth.example.com", "https://api.example.com", **settings)

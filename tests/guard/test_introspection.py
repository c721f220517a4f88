"""Tokens that the guard asks Tallystick about (RFC 7662)."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import httpx
import pytest

from service.tokens.handles import new_access_token
from tallystick_guard import Guard, Needs, Refused, Unavailable
from tests.guard.conftest import Api, http_of
from tests.guard.issuer import Issuer, request
from tests.relay.support import until

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
    """A JWT says so itself; of an opaque one introspection does not tell."""
    other = await api.world.issue(api.world.service)
    opaque = await api.world.issue(await api.world.worker(token_format="opaque"))
    async with api.guard(introspect=True) as guard:
        with pytest.raises(Refused, match="token_of_other_audience"):
            await guard.authorize(request(other))
    async with api.guard() as guard:
        with pytest.raises(Refused, match="token_of_other_audience"):
            await guard.authorize(request(other))
        with pytest.raises(Refused, match="token_not_active"):
            await guard.authorize(request(opaque))


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


HANDLE = new_access_token(uuid.uuid4())
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
            await guard.authorize(request(HANDLE))


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
            await guard.authorize(request(HANDLE))


@pytest.mark.parametrize("answer", [503, 401, 403, (200, []), httpx.ConnectError("refused")])
async def test_no_answer_is_no_refusal(api: Api, answer: Any) -> None:
    """503: the caller may try again, and nothing is taken for good or bad."""
    http = answering(api, answer, [])
    async with Guard(
        api.world.core.issuer, api.audience, client_id="x", client_secret="y", report=False, http=http
    ) as guard:
        with pytest.raises(Unavailable):
            await guard.authorize(request(HANDLE))


async def test_many_who_show_one_token_share_a_question(api: Api) -> None:
    """One question, of which Tallystick is told who asked first; each gets the answer."""
    asked: list[str] = []
    http = answering(api, (200, GOOD | {"aud": api.audience}), asked)
    async with Guard(
        api.world.core.issuer, api.audience, client_id="x", client_secret="y", report=False, http=http
    ) as guard:
        answers = await asyncio.gather(*(guard.authorize(request(HANDLE)) for _ in range(20)))
        assert {access.client_id for access in answers} == {"x"}
    assert asked == [f"token={HANDLE}&source_address=203.0.113.7&user_agent=test%2F1.0"]


async def test_who_gives_up_leaves_the_question_to_the_others(api: Api) -> None:
    """A request that is cancelled takes no other's answer away."""
    http = answering(api, (200, GOOD | {"aud": api.audience}), [])
    async with Guard(
        api.world.core.issuer, api.audience, client_id="x", client_secret="y", report=False, http=http
    ) as guard:
        first, second = (asyncio.create_task(guard.authorize(request(HANDLE))) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).client_id == "x"


async def test_introspection_needs_a_client() -> None:
    """Who asks without one is told at once, not with the first opaque token."""
    for settings in ({"introspect": True}, {"when_cut_off": "introspect", "nats_url": "nats://127.0.0.1:1"}):
        with pytest.raises(ValueError, match="client_id"):
            Guard("https://auth.example.com", "https://api.example.com", **settings)


NOISE = (
    *("x", "tly_at_x", "a.b", "eyJhbGciOiJub25lIn0"),
    HANDLE[:-1] + ("A" if HANDLE[-1] != "A" else "B"),
    HANDLE[:40] + ("A" if HANDLE[40] != "A" else "B") + HANDLE[41:],
    HANDLE + "A",
    HANDLE.replace("tly_at_", "tly_rt_"),
)


@pytest.mark.parametrize("token", NOISE, ids=range(len(NOISE)))
async def test_noise_causes_no_question(api: Api, token: str) -> None:
    """A text that has not the shape of a handle, or whose checksum does not fit, is refused at once."""
    asked: list[str] = []
    http = answering(api, (200, GOOD | {"aud": api.audience}), asked)
    async with Guard(
        api.world.core.issuer, api.audience, client_id="x", client_secret="y", report=False, http=http
    ) as guard:
        with pytest.raises(Refused, match="token_malformed"):
            await guard.authorize(request(token))
    assert asked == []


@pytest.mark.parametrize(
    ("changes", "headers", "reason"),
    [
        ({"iss": "https://evil.example.com"}, {}, "token_of_other_issuer"),
        ({"aud": "https://other.example.com"}, {}, "token_of_other_audience"),
        ({"exp": 1}, {}, "token_expired"),
        ({"sub": None}, {}, "missing_claim"),
        ({}, {"typ": "JWT"}, "token_header"),
    ],
)
async def test_jwt_that_says_itself_that_it_is_not_good_causes_no_question(
    changes: dict[str, Any], headers: dict[str, Any], reason: str
) -> None:
    """Where all tokens are introspected, those of other issuers, for others, and expired ones are not."""
    issuer = Issuer()
    async with issuer.guard(client_id="x", client_secret="y", introspect=True, report=False) as guard:
        with pytest.raises(Refused, match=reason):
            await guard.authorize(request(issuer.token(headers, **changes)))
        assert issuer.asked == []
        with pytest.raises(Unavailable, match="names no introspection_endpoint"):
            await guard.authorize(request(issuer.token()))  # a good one is asked about
    assert issuer.asked == ["/.well-known/oauth-authorization-server"]


async def test_invented_tokens_keep_few_questions_under_way(api: Api) -> None:
    """Some are under way, as many wait for their turn, and the rest are answered 503 at once; then all is as before."""
    at_once, most, release = 0, 0, asyncio.Event()
    worker = http_of(api.world)

    async def handle(asking: httpx.Request) -> httpx.Response:
        nonlocal at_once, most
        if asking.url.path != "/oauth2/introspect":
            return await worker.send(asking)
        at_once += 1
        most = max(most, at_once)
        await release.wait()
        at_once -= 1
        return httpx.Response(200, json={"active": False})

    http = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    guard = Guard(
        api.world.core.issuer,
        api.audience,
        client_id="x",
        client_secret="y",
        report=False,
        http=http,
        introspections_at_once=3,
    )
    async with guard:
        invented = [new_access_token(uuid.uuid4()) for _ in range(20)]
        asking = [asyncio.create_task(guard.authorize(request(token))) for token in invented]
        busy, _ = await asyncio.wait(asking, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        await until(lambda: at_once == 3)
        assert {repr(task.exception()) for task in busy} == {"Unavailable('too many introspections are under way')"}
        release.set()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(answer) for answer in answers] == [Refused] * 6 + [Unavailable] * 14
        with pytest.raises(Refused):
            await guard.authorize(request(HANDLE))
    assert most == 3

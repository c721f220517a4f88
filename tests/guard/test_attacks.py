"""What was tried against the guard, and what it does about it."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid
from typing import Any

import httpx
import pytest

from service.tokens.handles import new_access_token
from tallystick_guard import Guard, Refused, Unavailable
from tallystick_guard import keys as keys_module
from tallystick_guard.access import Access
from tallystick_guard.revocations import Revocations
from tests.guard.issuer import API, ISSUER, Issuer, request
from tests.guard.test_keys import Clock


def jwt_of(header: Any) -> str:
    """A token with such a header, and nothing good in it."""
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return f"{encoded}.e30.AAAA"


@pytest.mark.parametrize("alg", [[], {}, 1, None, True, "none", "HS256", "es256"])
@pytest.mark.parametrize("more", [{"kid": "one"}, {"kid": []}, {}])
async def test_odd_headers_are_refused(alg: Any, more: dict[str, Any]) -> None:
    """Whatever stands in `alg` and `kid`, it is 401 and no fault of the API."""
    async with Issuer().guard() as guard:
        with pytest.raises(Refused) as refused:
            await guard.authorize(request(jwt_of({"alg": alg, "typ": "at+jwt"} | more)))
    assert refused.value.status == 401


@pytest.mark.parametrize("claim", ["exp", "iat", "auth_time"])
@pytest.mark.parametrize("value", [1e400, -1e400, float("nan"), "x", [], 10**30])
async def test_odd_numbers_are_refused(claim: str, value: Any) -> None:
    """Even signed by the issuer; a time that no clock knows is no fault of the API either."""
    issuer = Issuer()
    token = issuer.token(**{claim: value})
    async with issuer.guard() as guard:
        try:
            access = await guard.authorize(request(token))
        except Refused as refused:
            assert refused.status == 401  # noqa: PT017 either outcome is one that an API can bear
        else:
            assert isinstance(access.expires_at, int)


async def test_withdrawn_key_does_not_live_on_in_known_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hit in the cache has keys read anew that are due; so a token of a stolen key ends with the key."""
    clock = Clock()
    monkeypatch.setattr(keys_module, "time", clock)
    issuer = Issuer()
    stolen = issuer.token(exp=int(time.time()) + 50 * 365 * 86_400)
    async with issuer.guard() as guard:
        await guard.authorize(request(stolen))
        issuer.rotate("two")
        del issuer.keys["one"]
        clock.now += 301
        await guard.authorize(request(stolen))
        assert guard._keys._fetching is not None
        await guard._keys._fetching
        with pytest.raises(Refused, match="unknown_key"):
            await guard.authorize(request(stolen))


async def test_all_who_come_with_a_new_key_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only the first: the fetch that it began is theirs, too. While the issuer is down nobody knows."""
    clock = Clock()
    monkeypatch.setattr(keys_module, "time", clock)
    issuer = Issuer()
    async with issuer.guard() as guard:
        await guard.authorize(request(issuer.token()))
        issuer.rotate("two")
        clock.now += 11
        tokens = [issuer.token(jti=f"g.{number}") for number in range(5)]
        await asyncio.gather(*(guard.authorize(request(token)) for token in tokens))
        issuer.rotate("three")
        issuer.fails = True
        clock.now += 11
        with pytest.raises(Unavailable):
            await guard.authorize(request(issuer.token()))


def access(**changes: Any) -> Access:
    """A token's rights."""
    now = int(time.time())
    claims = {"sub": "zoe", "client_id": "app", "iat": now - 10, "exp": now + 600, "jti": "g.1", "grant_id": "g"}
    return Access.of_claims(claims | changes)


def test_enabling_gives_back_nothing_that_had_ended() -> None:
    """Signed out, disabled, enabled: still signed out. Removed, registered, disabled, enabled: still removed."""
    now = time.time()
    for gone, disabled, enabled, data in (
        ("account.signed_out", "account.disabled", "account.enabled", {"subject": "zoe"}),
        ("client.removed", "client.disabled", "client.enabled", {"client_id": "app"}),
    ):
        revocations = Revocations(3_600)
        for kind in (gone, disabled, enabled):
            revocations.apply(kind, "s", data, now)
            assert revocations.ended(access()), kind
        assert not revocations.ended(access(iat=int(now) + 5))


def test_what_was_revoked_is_known_for_as_long_as_a_token_is_accepted() -> None:
    """The lifetime is the window, the leeway comes on top, and clocks differ."""
    now = time.time()
    revocations = Revocations(600, slack=65)
    revocations.apply("token.revoked", "g", {"number": 1}, now - 620)
    revocations.forget(now)
    assert revocations.ended(access())
    revocations.forget(now + 50)
    assert not revocations.ended(access())


HANDLE = new_access_token(uuid.uuid4())
"""Of nobody, and of the right shape."""


def answering(status: int, body: Any, asked: list[str]) -> httpx.AsyncClient:
    """An issuer that answers introspection so."""

    def answer(asking: httpx.Request) -> httpx.Response:
        if asking.url.path == "/introspect":
            asked.append(asking.content.decode())
            return httpx.Response(status, json=body)
        return httpx.Response(200, json={"issuer": ISSUER, "introspection_endpoint": f"{ISSUER}/introspect"})

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


async def test_junk_that_comes_again_causes_no_question() -> None:
    """A refusal is remembered as long as an answer is; who floods with one token asks the issuer once."""
    asked: list[str] = []
    http = answering(200, {"active": False}, asked)
    async with Guard(ISSUER, API, client_id="x", client_secret="y", report=False, http=http) as guard:
        for _ in range(50):
            with pytest.raises(Refused, match="token_not_active"):
                await guard.authorize(request(HANDLE))
    assert len(asked) == 1


@pytest.mark.parametrize("client", [None, ("", 0), ("unix:", 0), ("fe80::1%eth0", 1), ("testclient", 1)])
async def test_odd_callers_are_served_and_told_of(client: Any) -> None:
    """An address that is none is left out, a zone cut off, control characters in an agent are spaces."""
    asked: list[str] = []
    now = int(time.time())
    good = {"active": True, "sub": "x", "client_id": "x", "iat": now, "exp": now + 60, "aud": API}
    http = answering(200, good, asked)
    scope = request(HANDLE, headers=((b"user-agent", b"a\tb\x01"),)) | {"client": client}
    async with Guard(ISSUER, API, client_id="x", client_secret="y", report=False, http=http) as guard:
        assert (await guard.authorize(scope)).client_id == "x"
    address = "&source_address=fe80%3A%3A1" if client and client[0].startswith("fe80") else ""
    assert asked == [f"token={HANDLE}{address}&user_agent=a+b+"]

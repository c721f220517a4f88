"""The issuer's keys: fetched by one, kept, and fetched anew when they change."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tallystick_guard import Refused, Unavailable
from tallystick_guard import keys as keys_module
from tests.guard.issuer import Issuer, request

JWKS = "/jwks"


class Clock:
    """Stands in for the time of the keys, which passes when a test says so."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of every guard."""
    passing = Clock()
    monkeypatch.setattr(keys_module, "time", passing)
    return passing


async def test_many_requests_make_one_fetch() -> None:
    """However many come at once."""
    issuer = Issuer()
    tokens = [issuer.token(jti=f"g.{number}") for number in range(50)]
    async with issuer.guard() as guard:
        await asyncio.gather(*(guard.authorize(request(token)) for token in tokens))
    assert issuer.asked.count(JWKS) == 1


async def test_new_key_is_found_at_once(clock: Clock) -> None:
    """A rotation needs no restart: a key id that is not known is looked for."""
    issuer = Issuer()
    async with issuer.guard() as guard:
        await guard.authorize(request(issuer.token()))
        issuer.rotate("two")
        clock.now += 11
        await guard.authorize(request(issuer.token()))
    assert issuer.asked.count(JWKS) == 2


async def test_invented_key_ids_cause_no_traffic(clock: Clock) -> None:
    """One fetch in ten seconds, however many tokens name keys that there are not."""
    issuer = Issuer()
    async with issuer.guard() as guard:
        await guard.authorize(request(issuer.token()))
        clock.now += 11
        for number in range(100):
            with pytest.raises(Refused, match="unknown_key"):
                await guard.authorize(request(issuer.token({"kid": f"invented-{number}"})))
    assert issuer.asked.count(JWKS) == 2


async def test_key_that_is_gone_takes_known_tokens_along(clock: Clock) -> None:
    """Once the keys were read anew, a token of a retired key is refused, though it was good a moment ago."""
    issuer = Issuer()
    async with issuer.guard() as guard:
        old = issuer.token()
        await guard.authorize(request(old))
        issuer.rotate("two")
        del issuer.keys["one"]
        clock.now += 301
        await guard.authorize(request(issuer.token()))
        with pytest.raises(Refused, match="unknown_key"):
            await guard.authorize(request(old))


async def test_keys_are_read_anew_before_anybody_waits(clock: Clock) -> None:
    """When they are due, requests go on by the keys of before while one fetch is under way."""
    issuer = Issuer()
    async with issuer.guard() as guard:
        await guard.authorize(request(issuer.token()))
        clock.now += 301
        await guard.authorize(request(issuer.token(jti="g.2")))
        assert issuer.asked.count(JWKS) == 1
        assert guard._keys._fetching is not None
        await guard._keys._fetching
    assert issuer.asked.count(JWKS) == 2


async def test_issuer_that_is_down_is_borne_for_an_hour(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """The keys of before serve; after that nobody knows, and the request may be tried again."""
    issuer = Issuer()
    async with issuer.guard() as guard:
        await guard.authorize(request(issuer.token()))
        issuer.fails = True
        clock.now += 300 + 3_500
        await guard.authorize(request(issuer.token(jti="g.2")))
        await asyncio.wait((guard._keys._fetching,)) if guard._keys._fetching else None
        clock.now += 200
        with pytest.raises(Unavailable) as unavailable:
            await guard.authorize(request(issuer.token(jti="g.3")))
        assert (unavailable.value.status, unavailable.value.retry_after) == (503, 1)
        issuer.fails = False
        clock.now += 2
        await guard.authorize(request(issuer.token(jti="g.4")))
    assert "keys were not read" in caplog.text


async def test_issuer_that_never_answered_is_asked_once_a_second(clock: Clock) -> None:
    """A crowd of requests is no crowd of fetches."""
    issuer = Issuer()
    issuer.fails = True
    async with issuer.guard() as guard:
        for _ in range(20):
            with pytest.raises(Unavailable):
                await guard.authorize(request(issuer.token()))
        assert len(issuer.asked) == 1
        clock.now += 2
        issuer.fails = False
        await guard.authorize(request(issuer.token()))


@pytest.mark.parametrize(
    "keys",
    [
        [{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}],
        [{"kty": "EC", "kid": "one", "crv": "P-256", "x": "!", "y": "!"}],
        [{"kty": "EC"}],
        ["x"],
        [],
    ],
)
async def test_keys_that_are_of_no_use_are_passed_over(keys: list[Any]) -> None:
    """A key of another kind, or a broken one, is none; above all no secret that is published verifies anything."""
    issuer = Issuer()
    token = issuer.token()
    issuer.keys = {str(number): key for number, key in enumerate(keys)}
    async with issuer.guard() as guard:
        with pytest.raises(Refused, match="unknown_key"):
            await guard.authorize(request(token))


async def test_metadata_of_another_issuer_is_not_believed() -> None:
    """RFC 8414 section 3.3."""
    issuer = Issuer("https://evil.example.com")
    guard = issuer.guard()
    guard._keys._issuer = "https://auth.example.com"
    async with guard:
        with pytest.raises(Unavailable, match="another issuer"):
            await guard.authorize(request(issuer.token()))

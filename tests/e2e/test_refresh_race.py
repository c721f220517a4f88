"""Refreshes that come all at once, at two workers: one generation lives, or none."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from service.settings import Settings
from tests.e2e.refreshing import Pair, ledger_of, open_pair
from tests.endpoints.granting import active, app, first_tokens, granted, person, proof, redeem, refresh, revoke
from tests.endpoints.world import INTROSPECT, REVOKE, TOKEN, Party, World


@pytest.fixture
async def pair(settings: Settings) -> AsyncIterator[Pair]:
    """Two workers."""
    async with open_pair(settings) as opened:
        yield opened


async def use(world: World, party: Party, token: str) -> httpx.Response:
    """One refresh among many."""
    headers, named = proof(party)
    form = {"grant_type": "refresh_token", "refresh_token": token} | named
    return await world.http.post(TOKEN, data=form, headers=headers)


async def all_at_once(pair: Pair, party: Party, token: str, count: int) -> list[httpx.Response]:
    """As many refreshes with one token, half of them at each worker."""
    return await asyncio.gather(*(use(pair[number % 2], party, token) for number in range(count)))


async def events_of(world: World, grant_id: UUID) -> Counter[str]:
    """How many events of each type the grant has."""
    return Counter(event.type for event in await world.core.journal.read_stream(grant_id))


async def refusals_after(world: World, position: int) -> Counter[str]:
    """The refusals since a position, by reason."""
    recorded = await world.core.journal.read(position, 10_000)
    return Counter(json.loads(event.data)["reason"] for event in recorded if event.type == "access.rejected")


async def test_two_hundred_refreshes_with_one_token(pair: Pair) -> None:
    """One wins the rotation, as many as are allowed are retries of it, the next is reuse, and nothing lives on."""
    one, two = pair
    party, who = await app(one), await person(one.core)
    tokens = await first_tokens(one, party, who)
    before = await one.core.journal.head()
    answers = await all_at_once(pair, party, tokens["refresh_token"], 200)
    retries = one.core.settings.refresh_grace_retries
    assert Counter({200: 1 + retries, 400: 199 - retries}) == Counter(answer.status_code for answer in answers)
    assert {"invalid_grant"} == {answer.json()["error"] for answer in answers if answer.status_code == 400}
    events = await events_of(one, tokens["grant_id"])
    assert (1 + retries, 1, 1) == tuple(
        events[name] for name in ("token.refreshed", "token.reuse_detected", "grant.revoked")
    )
    refusals = await refusals_after(one, before)
    assert {"refresh_token_reused", "grant_revoked"} >= set(refusals)
    assert (199 - retries, True) == (refusals.total(), refusals["refresh_token_reused"] >= 1)
    assert (await ledger_of(one, tokens["grant_id"])).revoked
    for won in (answer.json() for answer in answers if answer.status_code == 200):
        for world in pair:
            assert not await active(world, won["access_token"])
            assert (await refresh(world, party, won["refresh_token"])).error == (400, "invalid_grant", "grant_revoked")
    assert not await active(two, tokens["access_token"])


async def test_refreshes_within_the_bounds_leave_one_generation(settings: Settings) -> None:
    """Where all are allowed as retries they are one generation; the first of it that is used ends the others."""
    patient = msgspec.structs.replace(settings, refresh_grace=60, refresh_grace_retries=60)
    async with open_pair(patient) as pair:
        one, two = pair
        party, who = await app(one), await person(one.core)
        tokens = await first_tokens(one, party, who)
        answers = await all_at_once(pair, party, tokens["refresh_token"], 50)
        assert {200} == {answer.status_code for answer in answers}
        ledger = await ledger_of(one, tokens["grant_id"])
        assert (ledger.generation, len(ledger.live), ledger.retries) == (1, 50, 49)
        first, *others = [answer.json()["refresh_token"] for answer in answers]
        assert (await refresh(two, party, first)).event["generation"] == 2
        reused = await refresh(one, party, others[0])
        assert [each.type for each in reused.events] == ["token.reuse_detected", "grant.revoked", "access.rejected"]


async def test_siblings_that_are_used_at_once_leave_one_line(settings: Settings) -> None:
    """Two who hold copies and go on at the same moment, each at a worker: one goes on, or neither."""
    async with open_pair(settings) as pair:
        one, two = pair
        party, who = await app(one), await person(one.core)
        for _ in range(8):
            tokens = await first_tokens(one, party, who, ask=not one.core.state.consents.of_subject(who.subject))
            mine = (await refresh(one, party, tokens["refresh_token"])).body["refresh_token"]
            thiefs = (await refresh(two, party, tokens["refresh_token"])).body["refresh_token"]
            answers = await asyncio.gather(use(one, party, mine), use(two, party, thiefs))
            assert sorted(answer.status_code for answer in answers) == [200, 400]
            assert (await ledger_of(one, tokens["grant_id"])).revoked
            (won,) = [answer.json() for answer in answers if answer.status_code == 200]
            assert not await active(two, won["access_token"])


async def test_refresh_and_revocation_race(pair: Pair) -> None:
    """Once a revocation is answered no token of the grant is active anywhere, whatever was refreshed meanwhile."""
    one, two = pair
    party, who = await app(one, token_format="opaque"), await person(one.core)
    for number in range(6):
        tokens = await first_tokens(one, party, who, ask=not number)
        got: list[dict[str, Any]] = [tokens]

        async def keep_refreshing(got: list[dict[str, Any]] = got) -> None:
            while (answer := await use(two, party, got[-1]["refresh_token"])).status_code == 200:
                got.append(answer.json())

        refreshing = asyncio.create_task(keep_refreshing())
        await asyncio.sleep(0.01 * number)
        headers, named = proof(party)
        form = {"token": tokens["refresh_token"]} | named
        assert (await one.http.post(REVOKE, data=form, headers=headers)).status_code == 200
        for world in pair:
            for each in got:
                form = {"token": each["access_token"]}
                said = await world.http.post(INTROSPECT, data=form, headers=world.api.basic)
                assert said.json() == {"active": False}
        await refreshing
        assert (await ledger_of(one, tokens["grant_id"])).revoked
        assert not await active(two, got[-1]["access_token"])


async def test_code_at_both_workers_at_once(pair: Pair) -> None:
    """One of them exchanges it, and as the other found it used, the tokens are dead by the time that is answered."""
    one, two = pair
    party, who = await app(one), await person(one.core)
    for number in range(4):
        code = await granted(one.core, party, who, ask=not number)
        headers, named = proof(party)
        form = {
            "grant_type": "authorization_code",
            "code": code.text,
            "redirect_uri": code.redirect_uri,
            "code_verifier": code.verifier,
        }
        answers = await asyncio.gather(
            *(world.http.post(TOKEN, data=form | named, headers=headers) for world in (one, two))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 400]
        (won,) = [answer.json() for answer in answers if answer.status_code == 200]
        for world in pair:
            assert not await active(world, won["access_token"])


async def test_worker_that_has_not_folded_a_token_yet_knows_it(pair: Pair) -> None:
    """A token that one worker made is used at the other at once, again and again: no refusal, one line."""
    party, who = await app(pair.one), await person(pair.one.core)
    code = await granted(pair.one.core, party, who)
    tokens = (await redeem(pair.two, party, code)).body
    for number in range(40):
        answer = await use(pair[number % 2], party, tokens["refresh_token"])
        assert answer.status_code == 200, answer.content
        tokens = answer.json()
    ledger = await ledger_of(pair.one, code.grant_id)
    assert (ledger.generation, len(ledger.live), ledger.revoked) == (40, 1, False)
    assert (await revoke(pair.one, party, tokens["refresh_token"])).status == 200

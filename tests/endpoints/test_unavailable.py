"""What cannot be committed, or not be known, is answered 503; a fault of the server 500 (promise 1)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from service.journal.port import (
    Append,
    Appended,
    JournalBusy,
    JournalError,
    JournalTimeout,
    JournalUnavailable,
    VersionConflict,
)
from tests.endpoints.granting import app, granted, person, redeem, refresh
from tests.endpoints.world import INTROSPECT, REVOKE, TOKEN, Answer, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

GRANT = {"grant_type": "client_credentials"}
UNAVAILABLE = {
    "error": "temporarily_unavailable",
    "error_description": "The service cannot answer now. Try again.",
}
SERVER_ERROR = {"error": "server_error", "error_description": "The service failed to answer."}


async def send(world: World, path: str, form: dict[str, str], headers: dict[str, str]) -> Answer:
    """A request whose answer may lack its event."""
    return await world.call(path, form, headers=headers, received=False)


def check_unavailable(answer: Answer) -> None:
    """503 with Retry-After, no credential, no event."""
    assert (answer.status, answer.body, answer.events) == (503, UNAVAILABLE, [])
    assert 0 < int(answer.headers["retry-after"]) < 60
    assert answer.headers["cache-control"] == "no-store"


def refuse_appends(world: World, patch: pytest.MonkeyPatch, error: Exception) -> None:
    """From now on the journal takes nothing."""

    async def append(_: Append) -> Appended:
        raise error

    patch.setattr(world.core.journal, "append", append)


REQUESTS: dict[str, Callable[[World, str], tuple[str, dict[str, str], dict[str, str]]]] = {
    "issuance": lambda world, _: (TOKEN, GRANT, world.service.basic),
    "revocation": lambda world, token: (REVOKE, {"token": token}, world.service.basic),
    "bad secret": lambda world, _: (TOKEN, GRANT, world.public.basic),
    "bad scope": lambda world, _: (TOKEN, GRANT | {"scope": "x"}, world.service.basic),
    "malformed": lambda world, _: (TOKEN, {"grant_type": "\0"}, {}),
    "inactive token": lambda world, _: (INTROSPECT, {"token": "x"}, world.api.basic),
    "unknown token": lambda world, _: (REVOKE, {"token": "x"}, world.service.basic),
    "foreign token": lambda world, token: (REVOKE, {"token": token}, world.other.basic),
}


@pytest.mark.parametrize("error", [JournalBusy("full"), JournalTimeout("late"), JournalUnavailable("gone")])
@pytest.mark.parametrize("request_name", REQUESTS)
async def test_nothing_is_answered_that_was_not_committed(
    world: World, monkeypatch: pytest.MonkeyPatch, request_name: str, error: JournalError
) -> None:
    """Issuance, revocation and refusal alike: no commit, no answer but 503."""
    token = await world.issue(world.service)
    with monkeypatch.context() as patch:
        refuse_appends(world, patch, error)
        check_unavailable(await send(world, *REQUESTS[request_name](world, token)))
    assert (await world.introspect(token)).body["active"] is True


async def test_no_answer_leaves_before_its_commit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the commit is under way there is no answer, whatever the request."""
    token = await world.issue(world.service)
    append, commit = world.core.journal.append, asyncio.Event()

    async def slow(request: Append) -> Appended:
        await commit.wait()
        return await append(request)

    with monkeypatch.context() as patch:
        patch.setattr(world.core.journal, "append", slow)
        sent = [REQUESTS[name](world, token) for name in REQUESTS if name != "revocation"]
        waiting = [asyncio.create_task(world.http.post(path, data=form, headers=head)) for path, form, head in sent]
        answered, _ = await asyncio.wait(waiting, timeout=0.3)
        assert set() == answered
        commit.set()
        answers = await asyncio.gather(*waiting)
    assert [answer.status_code for answer in answers] == [200, 401, 400, 400, 200, 200, 400]


async def test_full_queue_is_answered_503(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal's own bound, reached."""
    with monkeypatch.context() as patch:
        patch.setattr(world.core.journal._group, "_limit", 0)
        check_unavailable(await send(world, TOKEN, GRANT, world.service.basic))
    assert (await world.call(TOKEN, GRANT, headers=world.service.basic)).status == 200


async def test_worker_that_cannot_know_fails_closed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a lease that can be renewed nothing is said of any token, active or not, and nobody is authenticated."""
    token = await world.issue(world.service)
    follower = world.core.follower

    async def fail() -> None:
        raise JournalTimeout("Postgres is silent")

    with monkeypatch.context() as patch:
        patch.setattr(follower, "_renewal", fail)
        patch.setattr(follower, "_lease_until", 0.0)
        for text in (token, "x"):
            check_unavailable(await send(world, INTROSPECT, {"token": text}, world.api.basic))
        check_unavailable(await send(world, TOKEN, GRANT, world.service.basic))
        check_unavailable(await send(world, REVOKE, {"token": token}, world.service.basic))
    assert (await world.introspect(token)).body["active"] is True


async def test_halted_feed_fails_closed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose feed halted on poison answers nothing from its state (promise 6)."""
    token = await world.issue(world.service)
    with monkeypatch.context() as patch:
        patch.setattr(world.core.follower, "poison", "event 7 cannot be folded")
        check_unavailable(await send(world, INTROSPECT, {"token": token}, world.api.basic))
        check_unavailable(await send(world, TOKEN, GRANT, world.service.basic))


async def test_revocation_that_others_may_not_know_of_is_not_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Committed but not known to be known everywhere is 503; the caller asks again and gets 200."""
    token = await world.issue(world.service)

    async def fail(_: int) -> None:
        raise JournalUnavailable("readers cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr(world.core.follower, "settled", fail)
        for _ in range(2):
            answer = await send(world, REVOKE, {"token": token}, world.service.basic)
            assert (answer.status, answer.body) == (503, UNAVAILABLE)
    assert (await world.revoke(token)).status == 200


async def test_token_that_cannot_be_read_is_not_called_inactive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grant that is not in memory and cannot be read is unknown to the server, which is 503, not inactive."""
    token = await world.issue(world.service)

    async def fail(_: object) -> list[Any]:
        raise JournalTimeout("Postgres is silent")

    with monkeypatch.context() as patch:
        patch.setattr(world.core.state.grants, "_entries", {})
        patch.setattr(world.core.journal, "read_stream", fail)
        check_unavailable(await send(world, INTROSPECT, {"token": token}, world.api.basic))


async def test_lost_race_is_decided_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revocation that finds its grant moved on reads it again and decides once more."""
    token = await world.issue(world.service)
    append = world.core.journal.append
    refused: list[Append] = []

    async def conflict_once(request: Append) -> Appended:
        if not refused:
            refused.append(request)
            raise VersionConflict("moved on")
        return await append(request)

    with monkeypatch.context() as patch:
        patch.setattr(world.core.journal, "append", conflict_once)
        assert [event.type for event in (await world.revoke(token)).events] == ["token.revoked"]


@pytest.mark.parametrize("path", [TOKEN, INTROSPECT, REVOKE])
async def test_fault_is_answered_500_without_internals(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """An unexpected exception is in the log, and the answer says nothing of it."""
    with monkeypatch.context() as patch:
        refuse_appends(world, patch, ZeroDivisionError("inner workings"))
        caplog.set_level(logging.ERROR)
        answer = await send(world, path, {"token": "x"}, {})
    assert (answer.status, answer.body, answer.events) == (500, SERVER_ERROR, [])
    assert b"inner" not in answer.content
    (record,) = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)


async def test_answer_is_committed_even_if_the_caller_is_gone(world: World) -> None:
    """A commit that has begun does not depend on the caller staying (promise 1)."""
    before = await world.core.journal.head()
    request = asyncio.create_task(world.http.post(TOKEN, data=GRANT, headers=world.service.basic))
    while not world.core.journal._group._in_flight:
        await asyncio.sleep(0)
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    assert (await world.http.post(TOKEN, data=GRANT, headers=world.service.basic)).status_code == 200
    types = [event.type for event in await world.core.journal.read(before, 10)]
    assert types == ["token.issued", "token.issued"]


async def test_every_answer_has_its_event(world: World) -> None:
    """Of 300 mixed requests at once, each answered issuance, revocation and refusal has exactly one event."""
    token_names = [
        "issuance",
        "bad scope",
        "malformed",
        "inactive token",
        "unknown token",
        "foreign token",
        "bad secret",
    ]
    mine = await world.issue(world.service)
    before = await world.core.journal.head()
    sent = [REQUESTS[token_names[number % len(token_names)]](world, mine) for number in range(300)]
    limit = asyncio.Semaphore(32)

    async def one(path: str, form: dict[str, str], headers: dict[str, str]) -> int:
        async with limit:
            return (await world.http.post(path, data=form, headers=headers)).status_code

    statuses = await asyncio.gather(*(one(*request) for request in sent))
    events = await world.core.journal.read(before, 1_000)
    assert len(events) == 300
    assert list(range(before + 1, before + 301)) == [event.position for event in events]
    issued = sum(event.type == "token.issued" for event in events)
    assert issued == sum(names == "issuance" for names in (token_names[n % 7] for n in range(300)))
    told = sorted(json.loads(event.data).get("status", 200) for event in events)
    assert sorted(statuses) == told


@pytest.mark.parametrize("error", [JournalBusy("full"), JournalTimeout("late"), VersionConflict("moved on")])
async def test_tokens_of_people_do_not_leave_without_their_event(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A code and a refresh token whose use was not committed give nothing, and work once the journal does; where
    others are faster all the time the server gives up.
    """
    party, who = await app(world), await person(world.core)
    code = await granted(world.core, party, who)
    form = {
        "grant_type": "authorization_code",
        "code": code.text,
        "redirect_uri": code.redirect_uri,
        "code_verifier": code.verifier,
    }
    with monkeypatch.context() as patch:
        refuse_appends(world, patch, error)
        check_unavailable(await send(world, TOKEN, form, party.basic))
    token = (await redeem(world, party, code)).body["refresh_token"]
    with monkeypatch.context() as patch:
        refuse_appends(world, patch, error)
        form = {"grant_type": "refresh_token", "refresh_token": token}
        check_unavailable(await send(world, TOKEN, form, party.basic))
    assert (await refresh(world, party, token)).status == 200

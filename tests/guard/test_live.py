"""What is revoked is refused at once, by the audit stream; and what is done while that is not heard."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from schema.events import (
    AccountDisabled,
    AccountEnabled,
    AccountSignedOut,
    ClientDisabled,
    ClientEnabled,
    ClientRemoved,
    Event,
    RoleRegistered,
)
from schema.streams import account_stream, client_stream, role_stream
from service.endpoints.core import Core
from tallystick_guard import Guard, Refused, Unavailable
from tests.endpoints.granting import app, first_tokens, person
from tests.endpoints.world import Party, open_world
from tests.guard.conftest import SCOPES, Api, new_api
from tests.guard.issuer import request
from tests.nats_server import NatsServer, nats_server
from tests.relay.support import Relays, until
from tests.servers import Database


class Stage(NamedTuple):
    """An API of a worker whose events go to a NATS server."""

    api: Api
    nats: NatsServer
    relays: Relays

    def guard(self, **settings: Any) -> Guard:
        """A guard that follows the audit stream as the user who may read it and nothing else."""
        given: dict[str, Any] = {"nats_url": self.nats.audit_url, "credentials": False}
        return self.api.guard(**(given | settings))

    async def token(self) -> tuple[str, Party]:
        """A token, and the client that may revoke it."""
        party = await self.api.world.worker(resources=(self.api.audience,), scopes=SCOPES)
        return await self.api.world.issue(party), party

    async def append(self, party: Party, *events: Any) -> None:
        """Commit events about a client."""
        stream = client_stream(party.client_id)
        await self.api.world.append(stream, self.api.world.core.state.access.version_of(stream), *events)


@pytest.fixture
async def stage(core: Core, database: Database, tmp_path: Path) -> AsyncIterator[Stage]:
    """All of it, running."""
    async with nats_server(tmp_path / "nats-home") as nats, open_world(core) as world:
        relays = Relays(database, nats)
        relays.start()
        try:
            api = await new_api(world)
            await until(lambda: relays_have(relays, core))
            yield Stage(api, nats, relays)
        finally:
            await relays.stop()


async def relays_have(relays: Relays, core: Core) -> bool:
    """Whether the stream has all of the journal."""
    return (await relays.reported())[0] == core.state.position


async def is_refused(guard: Guard, token: str) -> bool:
    """Whether a token is refused as revoked."""
    return await outcome(guard, token) == "token_revoked"


async def is_good(guard: Guard, token: str) -> bool:
    """Whether a token is good."""
    return await outcome(guard, token) == "good"


async def outcome(guard: Guard, token: str) -> str:
    """Why a token is refused; `good` where it is not, `unavailable` where nobody knows."""
    try:
        await guard.authorize(request(token))
    except Refused as refused:
        return refused.reason
    except Unavailable:
        return "unavailable"
    return "good"


async def test_revoked_token_is_refused_without_a_question(stage: Stage) -> None:
    """A JWT that was good a moment ago; others stay good."""
    async with stage.guard() as guard:
        (token, party), (other, _) = await stage.token(), await stage.token()
        assert not await is_refused(guard, token)
        assert (await stage.api.world.revoke(token, party)).status == 200
        await until(lambda: is_refused(guard, token))
        assert not await is_refused(guard, other)


async def test_guard_that_starts_later_knows_what_was_revoked_before(stage: Stage) -> None:
    """It reads what was taken away within its window before it is started."""
    tokens = [await stage.token() for _ in range(3)]
    for token, party in tokens:
        await stage.api.world.revoke(token, party)
    await until(lambda: relays_have(stage.relays, stage.api.world.core))
    async with stage.guard() as guard:
        assert [await is_refused(guard, token) for token, _ in tokens] == [True] * 3


async def test_guard_that_is_started_twice_follows_once(stage: Stage) -> None:
    """As by the middleware and by the application's own lifespan; closed, it follows no more."""
    async with stage.guard() as guard:
        await guard.start()
        await guard.authorize(request((await stage.token())[0]))
        assert followers() == 1
    assert followers() == 0


def followers() -> int:
    """How many tasks follow the stream for a guard."""
    return sum(task.get_name() == "tallystick-guard-live" and not task.done() for task in asyncio.all_tasks())


async def test_client_takes_its_tokens_along_and_back(stage: Stage) -> None:
    """Disabled: refused. Enabled: good again, as introspection says. Removed: gone."""
    async with stage.guard() as guard:
        token, party = await stage.token()
        await stage.append(party, ClientDisabled(client_id=party.client_id))
        await until(lambda: is_refused(guard, token))
        await stage.append(party, ClientEnabled(client_id=party.client_id))

        await until(lambda: is_good(guard, token))
        await stage.append(party, ClientRemoved(client_id=party.client_id))
        await until(lambda: is_refused(guard, token))


async def test_account_takes_its_tokens_along(stage: Stage) -> None:
    """Disabled: refused. Enabled: good again, as introspection says. Signed out everywhere: gone."""
    world = stage.api.world
    await world.append(role_stream("clerks"), 0, RoleRegistered(name="clerks", scopes=SCOPES))
    who = await person(world.core, "clerks")
    party = await app(world, resources=(stage.api.audience,), scopes=(*SCOPES, "openid"))
    scope = f"openid {SCOPES[0]}"
    token = (await first_tokens(world, party, who, scope=scope, resources=(stage.api.audience,)))["access_token"]

    async def happens(event: Event) -> None:
        stream = account_stream(who.name)
        await world.append(stream, len(await world.core.journal.read_stream(stream)), event)

    async with stage.guard() as guard:
        assert (await guard.authorize(request(token))).subject == who.subject
        await happens(AccountDisabled(subject=who.subject))
        await until(lambda: is_refused(guard, token))
        await happens(AccountEnabled(subject=who.subject))
        await until(lambda: is_good(guard, token))
        await happens(AccountSignedOut(subject=who.subject))
        await until(lambda: is_refused(guard, token))


async def cut(stage: Stage, guard: Guard) -> None:
    """Kill NATS, and wait until the guard notices."""
    assert guard._live is not None
    live = guard._live
    await until(lambda: live.current)
    await stage.nats.kill()
    await until(lambda: not live.current)


async def test_cut_off_it_accepts_where_it_has_nobody_to_ask(stage: Stage) -> None:
    """By default; a revocation is then known once NATS is back, none is lost."""
    async with stage.guard() as guard:
        token, party = await stage.token()
        await cut(stage, guard)
        await stage.api.world.revoke(token, party)
        assert not await is_refused(guard, token)
        await stage.nats.start()
        await until(lambda: is_refused(guard, token), within=30)


async def test_cut_off_it_refuses_where_it_was_told_to(stage: Stage) -> None:
    """503, and good again when the stream is heard."""
    async with stage.guard(when_cut_off="refuse") as guard:
        token, _ = await stage.token()
        await guard.authorize(request(token))
        await cut(stage, guard)
        with pytest.raises(Unavailable, match="not heard"):
            await guard.authorize(request(token))
        await stage.nats.start()

        await until(lambda: is_good(guard, token), within=30)


async def test_cut_off_it_asks_where_it_can(stage: Stage) -> None:
    """By introspection, whose answers are kept for as long as it was told."""
    async with stage.guard(credentials=True, introspection_ttl=0.5, report=False) as guard:
        token, party = await stage.token()
        await guard.authorize(request(token))
        await cut(stage, guard)
        await guard.authorize(request(token))
        await stage.api.revoke(token, party)

        async def inactive() -> bool:
            return await outcome(guard, token) == "token_not_active"

        await until(inactive)


async def test_stream_that_is_silent_is_not_taken_for_quiet(stage: Stage) -> None:
    """A NATS server that is frozen sends no heartbeat: after three seconds the guard is cut off."""
    async with stage.guard(when_cut_off="refuse") as guard:
        token, _ = await stage.token()
        await guard.authorize(request(token))
        stage.nats.signal(signal.SIGSTOP)
        assert guard._live is not None
        live = guard._live
        try:
            await until(lambda: not live.current)
        finally:
            stage.nats.signal(signal.SIGCONT)
        await until(lambda: live.current)


@pytest.mark.parametrize(
    "told", [{}, {"ce-id": "{sequence}"}, {"ce-id": "1", "ce-subject": "x", "ce-time": "2026-01-01T00:00:00Z"}]
)
async def test_event_that_cannot_be_read_halts(
    stage: Stage, caplog: pytest.LogCaptureFixture, told: dict[str, str]
) -> None:
    """A revocation is never skipped: what an intruder writes cuts the guard off, until the stream is mended."""
    async with stage.guard(when_cut_off="refuse") as guard:
        (token, party), (other, _) = await stage.token(), await stage.token()
        assert guard._live is not None
        live = guard._live
        await until(lambda: is_good(guard, token))
        sequence = stage.api.world.core.state.position + 1
        await until(lambda: relays_have(stage.relays, stage.api.world.core))
        headers = {name: value.format(sequence=sequence) for name, value in told.items()}
        async with stage.relays.connection() as connection:
            await connection.client.request("tally.v1.token.revoked.x", b'{"number": 1}', timeout=5, headers=headers)
        await until(lambda: not live.current, within=30)
        assert await outcome(guard, token) == "unavailable"
        assert caplog.text.count("live revocation halts") == 1
        await stage.api.world.revoke(token, party)
        await stage.relays.api("STREAM.DELETE")
        await until(lambda: is_refused(guard, token), within=60)
        await until(lambda: is_good(guard, other), within=60)


async def test_token_that_outlives_the_window_is_asked_about(stage: Stage) -> None:
    """A window shorter than the tokens' lifetime vouches for nothing."""
    async with stage.guard(revocation_window=60.0, when_cut_off="refuse") as guard:
        token, _ = await stage.token()
        with pytest.raises(Unavailable):
            await guard.authorize(request(token))


async def test_what_ended_long_ago_is_forgotten(stage: Stage) -> None:
    """The memory of a guard does not grow with the years."""
    async with stage.guard() as guard:
        token, party = await stage.token()
        await stage.api.world.revoke(token, party)
        await stage.append(party, ClientRemoved(client_id=party.client_id))
        await until(lambda: len(guard.revocations) == 2)
        guard.revocations.forget(time.time() + 3_500)
        assert len(guard.revocations) == 2
        guard.revocations.forget(time.time() + 3_700)
        assert len(guard.revocations) == 0

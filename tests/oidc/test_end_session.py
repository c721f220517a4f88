from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
import pytest

from schema.envelope import Context
from schema.events import (
    AuthorizationGranted,
    DeviceApproved,
    DeviceRequested,
    SessionRenewed,
    TokenIssued,
)
from schema.streams import new_stream
from service.bootstrap import open_worker
from service.journal.port import Append, Appended, JournalUnavailable
from service.sessions.end import end_session
from service.settings import Settings
from tests.endpoints.world import client_of_app
from tests.oidc.world import Given, OidcWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def revoked(world: OidcWorld, *grants: UUID) -> list[bool]:
    """Which of these grants are revoked, by their events."""
    return [(await world.core.grants.reload(grant)).revoked for grant in grants]


@asynccontextmanager
async def world_with(settings: Settings) -> AsyncIterator[OidcWorld]:
    """A world of the test's own."""
    async with open_worker(settings) as core, client_of_app(core) as http:
        world = OidcWorld(core, http)
        await world.populate()
        yield world


@pytest.mark.parametrize(
    ("policy", "gone"), [("online", [True, False]), ("all", [True, True]), ("none", [False, False])]
)
async def test_what_hangs_on_a_session_ends_as_configured(settings: Settings, policy: str, gone: list[bool]) -> None:
    """`online` spares what the person allowed while they are away; those of other sessions stay in any case."""
    chosen = msgspec.structs.replace(settings, session_end_revokes=policy)
    async with world_with(chosen) as world:
        person, client = await world.person(), await world.client()
        session, other = await world.session(person), await world.session(person)
        online = await world.grant(client, session, "openid")
        offline = await world.grant(client, session, "offline_access openid")
        elsewhere = await world.grant(client, other, "openid")
        position = await end_session(world.core, Context(), session.id, "logout")
        assert position == await world.core.journal.head()
        assert [*gone, False] == await revoked(world, online.id, offline.id, elsewhere.id)
        assert (await world.core.sessions.reload(session.id)).ended
        assert not (await world.core.sessions.reload(other.id)).ended


async def test_session_ends_once(oidc: OidcWorld) -> None:
    """The second time, and where there never was one, there is nothing to do and nothing is journalled."""
    session = await oidc.session(await oidc.person())
    assert await end_session(oidc.core, Context(), session.id, "logout") is not None
    head = await oidc.core.journal.head()
    assert await end_session(oidc.core, Context(), session.id, "logout") is None
    assert await end_session(oidc.core, Context(), new_stream(), "logout") is None
    assert head == await oidc.core.journal.head()


async def test_two_who_end_a_session_at_once_end_it_once(oidc: OidcWorld) -> None:
    """One event of each, whoever comes first."""
    session = await oidc.session(await oidc.person())
    given = await oidc.grant(await oidc.client(), session)
    before = await oidc.core.journal.head()
    await asyncio.gather(*(end_session(oidc.core, Context(), session.id, "logout") for _ in range(5)))
    types = [event.type for event in await oidc.events_after(before)]
    assert sorted(types) == ["grant.revoked", "session.ended"]
    assert await revoked(oidc, given.id) == [True]


async def test_renewal_that_comes_between_is_ended_too(oidc: OidcWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version conflict is no reason to leave a session alive."""
    session = await oidc.session(await oidc.person())
    reload, renewals = oidc.core.sessions.reload, [1]

    async def reload_then_renew(stream: UUID) -> object:
        before = await reload(stream)
        if renewals and renewals.pop():
            again = SessionRenewed(
                subject=session.person.subject,
                digest="y" * 43,
                auth_time=before.auth_time,
                expires_at=before.expires_at,
                amr=before.amr,
                acr=before.acr,
            )
            await oidc.core.journal.append(Append(stream, before.version, (again,)))
        return before

    monkeypatch.setattr(oidc.core.sessions, "reload", reload_then_renew)
    assert await end_session(oidc.core, Context(), session.id, "logout") is not None
    assert (await reload(session.id)).ended


async def test_grant_given_while_the_session_ends_is_revoked(oidc: OidcWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grant committed between the first look and `session.ended` does not outlive the session."""
    session, client = await oidc.session(await oidc.person()), await oidc.client()
    early = await oidc.grant(client, session)
    append = oidc.core.journal.append
    late: list[Given | None] = []

    async def append_after_a_grant(request: Append) -> Appended:
        if request.stream == session.id and not late:
            late.append(None)
            late[0] = await oidc.grant(client, session)
        return await append(request)

    monkeypatch.setattr(oidc.core.journal, "append", append_after_a_grant)
    position = await end_session(oidc.core, Context(), session.id, "logout")
    assert position == await oidc.core.journal.head()
    assert late[0] is not None
    assert await revoked(oidc, early.id, late[0].id) == [True, True]


async def test_failure_midway_leaves_the_session_to_try_again(oidc: OidcWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grants go first, so that who could not end them all is still signed in; trying again ends the rest."""
    session, client = await oidc.session(await oidc.person()), await oidc.client()
    grants = [(await oidc.grant(client, session)).id for _ in range(3)]
    append = oidc.core.journal.append

    async def lose_the_last(request: Append) -> Appended:
        if request.stream == grants[-1]:
            raise JournalUnavailable("lost")
        return await append(request)

    with monkeypatch.context() as patch:
        patch.setattr(oidc.core.journal, "append", lose_the_last)
        with pytest.raises(JournalUnavailable):
            await end_session(oidc.core, Context(), session.id, "logout")
    assert not (await oidc.core.sessions.reload(session.id)).ended
    assert await end_session(oidc.core, Context(), session.id, "logout") is not None
    assert await revoked(oidc, *grants) == [True, True, True]
    assert (await oidc.core.sessions.reload(session.id)).ended


async def test_grants_that_are_over_are_left_alone(oidc: OidcWorld) -> None:
    """A day of silent sign-ins leaves hundreds of dead grants; none of them costs an event."""
    session, client = await oidc.session(await oidc.person()), await oidc.client()
    stream = new_stream()
    long_ago = 1_700_000_000
    begun = AuthorizationGranted(
        client_id=client.client_id,
        subject=session.person.subject,
        session=str(session.id),
        scope="openid",
        resources=(),
        redirect_uri=client.settings.redirect_uris[0],
        code_challenge="x" * 43,
        digest="x" * 43,
        issued_at=long_ago,
        expires_at=long_ago + 60,
        auth_time=long_ago,
        amr=("pwd",),
        acr="1fa",
    )
    await oidc.append(stream, 0, begun)
    await end_session(oidc.core, Context(), session.id, "logout")
    assert await revoked(oidc, stream) == [False]


async def test_device_approved_in_a_session_ends_with_it(oidc: OidcWorld) -> None:
    """Unless it may be used while the person is away."""
    session, client = await oidc.session(await oidc.person()), await oidc.client()
    streams = [
        await _device(oidc, client.client_id, session.id, session.person.subject, scope)
        for scope in ("openid", "offline_access openid")
    ]
    await end_session(oidc.core, Context(), session.id, "logout")
    assert await revoked(oidc, *streams) == [True, False]


async def _device(world: OidcWorld, client_id: str, session: UUID, subject: str, scope: str) -> UUID:
    stream, now = new_stream(), 4_000_000_000
    asked = DeviceRequested(
        client_id=client_id,
        scope=scope,
        resources=(),
        digest="x" * 43,
        user_code_digest="z" * 43,
        issued_at=now,
        expires_at=now + 600,
    )
    approved = DeviceApproved(
        client_id=client_id,
        subject=subject,
        session=str(session),
        scope=scope,
        resources=(),
        approved_at=now,
        auth_time=now,
        amr=("pwd",),
        acr="1fa",
    )
    issued = TokenIssued(
        number=1,
        client_id=client_id,
        subject=subject,
        audience=world.core.issuer,
        scope=scope,
        issued_at=now,
        expires_at=now + 600,
        grant_type="urn:ietf:params:oauth:grant-type:device_code",
        auth_method="none",
        format="jwt",
    )
    await world.append(stream, 0, asked, approved, issued)
    return stream

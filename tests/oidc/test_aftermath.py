"""All sessions of an account ended at once: they are journalled as ended, and their clients are told, once."""

from __future__ import annotations

import asyncio

import pytest

from schema.events import AccountDisabled, AccountPasswordSet, AccountSignedOut, Event, SessionRenewed
from schema.streams import account_stream
from service.sessions.aftermath import Aftermath
from tests.oidc.receiver import open_receiver
from tests.oidc.world import OidcWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _happens(world: OidcWorld, name: str, event: Event) -> None:
    stream = account_stream(name)
    last = await world.append(stream, world.core.state.accounts.version_of(stream), event)
    await world.core.follower.settled(last)


@pytest.mark.parametrize("kind", [AccountPasswordSet, AccountDisabled, AccountSignedOut], ids=lambda kind: kind.TYPE)
async def test_sessions_that_ended_by_position_are_told(oidc: OidcWorld, kind: type[Event]) -> None:
    """One of several workers ends each session by its event, revokes what hangs on it and tells the client."""
    async with open_receiver() as receiver:
        person = await oidc.person()
        client = await oidc.client(backchannel_logout_uri=receiver.uri)
        session = await oidc.session(person)
        given = await oidc.grant(client, session, "openid")
        workers = [Aftermath(oidc.core), Aftermath(oidc.core)]
        await _happens(oidc, person.name, kind(subject=person.subject))
        for _ in range(2):
            await asyncio.gather(*(worker.look() for worker in workers))
        before = await oidc.core.journal.head()
        for worker in workers:
            await worker.look()
        assert (await oidc.core.sessions.reload(session.id)).ended
        assert (await oidc.core.grants.reload(given.id)).revoked
        async with asyncio.timeout(60):
            await receiver.heard.wait()
        assert len(receiver.tokens) == 1
        later = [event.type for event in await oidc.events_after(before)]
        assert set(later) <= {"logout.notified"}


async def test_a_session_that_was_renewed_since_goes_on(oidc: OidcWorld) -> None:
    """Whoever changes their password at a page stays signed in there."""
    person = await oidc.person()
    kept = await oidc.session(person)
    worker = Aftermath(oidc.core)
    await _happens(oidc, person.name, AccountPasswordSet(subject=person.subject))
    await worker.look()
    session = await oidc.core.sessions.reload(kept.id)
    renewed = SessionRenewed(
        subject=person.subject,
        digest=session.digest,
        auth_time=session.auth_time,
        expires_at=session.expires_at,
        amr=session.amr,
        acr=session.acr,
    )
    await oidc.append(kept.id, session.version, renewed)
    await worker.look()
    assert not (await oidc.core.sessions.reload(kept.id)).ended

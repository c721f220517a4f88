"""An append that no other can be faster than."""

from __future__ import annotations

import asyncio

import pytest

from schema.envelope import Context
from schema.events import Event, GrantRevoked, TokenIssued, TokenReuseDetected
from schema.streams import new_stream
from service.endpoints.core import Core
from service.journal.insist import append_at_the_end
from service.journal.port import Append, JournalUnavailable, VersionConflict

REVOKED = GrantRevoked(client_id="app", reason="operator")
DETECTED = TokenReuseDetected(client_id="app", kind="refresh_token")


def issued(number: int) -> Event:
    """A token."""
    return TokenIssued(
        number=number,
        client_id="app",
        subject="s",
        audience="urn:a",
        scope="a",
        issued_at=1,
        expires_at=2,
        grant_type="client_credentials",
        auth_method="none",
        format="jwt",
    )


async def test_it_takes_the_end_of_the_stream_whatever_that_is(core: Core) -> None:
    """Its events follow the last one, under dense positions, and the worker folds them."""
    stream = new_stream()
    for version in range(3):
        await core.journal.append(Append(stream, version, (issued(version + 1),)))
    appended = await append_at_the_end(
        core.journal, stream, (DETECTED, REVOKED), Context(actor="app"), unless=GrantRevoked.TYPE
    )
    assert appended is not None
    await core.follower.settled(appended.last)
    recorded = await core.journal.read_stream(stream)
    assert [event.version for event in recorded] == [1, 2, 3, 4, 5]
    assert [appended.first, appended.last] == [event.position for event in recorded[3:]]
    assert {"app"} == {event.actor for event in recorded[3:]}
    grant = core.state.grants.get(stream)
    assert grant is not None
    assert grant.revoked


async def test_what_was_done_before_is_not_done_again(core: Core) -> None:
    """A stream that has such an event, and one that has none, stay as they are."""
    stream = new_stream()
    await core.journal.append(Append(stream, 0, (issued(1), REVOKED)))
    for each in (stream, new_stream()):
        assert await append_at_the_end(core.journal, each, (REVOKED,), Context(), unless=GrantRevoked.TYPE) is None
    assert len(await core.journal.read_stream(stream)) == 2


async def test_it_wins_against_who_appends_all_the_time(core: Core) -> None:
    """One attempt is enough, and those that come after it conflict."""
    stream = new_stream()
    await core.journal.append(Append(stream, 0, (issued(1),)))

    async def keep_appending() -> int:
        version = 1
        while True:
            try:
                await core.journal.append(Append(stream, version, (issued(version + 1),)))
            except VersionConflict:
                return version
            version += 1

    appending = asyncio.create_task(keep_appending())
    await asyncio.sleep(0.05)
    assert await append_at_the_end(core.journal, stream, (REVOKED,), Context(), unless=GrantRevoked.TYPE)
    assert await appending + 1 == len(await core.journal.read_stream(stream))


async def test_journal_that_is_closed_takes_nothing(core: Core) -> None:
    """It is answered as failed."""
    await core.journal.stop()
    with pytest.raises(JournalUnavailable):
        await append_at_the_end(core.journal, new_stream(), (REVOKED,), Context(), unless=GrantRevoked.TYPE)

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
import msgspec
import pytest
from argon2 import extract_parameters

from schema.events import AccountPasswordSet
from service.accounts.passwords import Kept, PasswordsBusy
from service.accounts.vault import kept_password
from service.bootstrap import open_worker
from service.endpoints.core import Core
from service.settings import Settings
from tests.people import Person
from tests.servers import Database
from tests.sign_in.conftest import Door, change, door_at

OTHER = "pelican marble orchid 77"
CHANGE = "UPDATE vault.passwords SET hash = $2 WHERE subject = $1"


async def hash_of(core: Core, person: Person) -> str:
    """The hash that is kept of a password."""
    kept = await kept_password(core.journal, person.subject)
    assert kept is not None
    return kept.hash


async def test_a_hash_of_other_parameters_is_made_anew(settings: Settings, door: Door, zoe: Person) -> None:
    """Where the cost was changed, the next sign-in keeps the same password by the new cost, and says no more of it."""
    before = await hash_of(door.core, zoe)
    dearer = msgspec.structs.replace(settings, password_passes=2)
    async with open_worker(dearer) as core, door_at(core) as other:
        assert (await other.sign_in("zoe", OTHER)).page.status == 400
        assert await hash_of(core, zoe) == before
        assert (await other.sign_in("zoe")).types == ["session.started"]
        assert extract_parameters(await hash_of(core, zoe)).time_cost == 2
        assert (await other.sign_in("zoe")).page.status == 303
    assert extract_parameters(before).time_cost == 1


async def test_a_password_that_is_changed_meanwhile_stays_the_changed_one(
    settings: Settings, door: Door, zoe: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash that is made anew never takes the place of another password's."""
    dearer = msgspec.structs.replace(settings, password_passes=2)
    async with open_worker(dearer) as core, door_at(core) as other:
        fresh = await core.passwords.hash(zoe.subject, OTHER)
        make = core.passwords.hash

        async def changed_while_hashing(subject: str, password: str) -> Kept:
            await core.journal.fetch(CHANGE, UUID(subject), fresh.hash)
            return await make(subject, password)

        monkeypatch.setattr(core.passwords, "hash", changed_while_hashing)
        assert (await other.sign_in("zoe")).event["reason"] == "wrong_password"
        assert await hash_of(core, zoe) == fresh.hash


async def test_the_next_sign_in_makes_it_anew_where_too_many_passwords_wait(
    settings: Settings, door: Door, zoe: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password that was verified signs in, whether its hash can be made anew or not."""
    before = await hash_of(door.core, zoe)
    dearer = msgspec.structs.replace(settings, password_passes=2)
    async with open_worker(dearer) as core, door_at(core) as other:
        monkeypatch.setattr(core.passwords, "hash", _busy)
        assert (await other.sign_in("zoe")).page.status == 303
        assert await hash_of(core, zoe) == before


async def test_an_old_password_does_not_sign_in_behind_the_event_of_a_new_one(
    door: Door, zoe: Person, database: Database
) -> None:
    """While the event of a change is committed and its hash is not yet, the old password waits, and is refused."""
    fresh = await door.core.passwords.hash(zoe.subject, OTHER)
    connection = await asyncpg.connect(database.service_url, server_settings={"role": "tallystick_app"})
    try:
        changing = connection.transaction()
        await changing.start()
        await connection.execute(CHANGE, UUID(zoe.subject), fresh.hash)
        await change(door.core, zoe, AccountPasswordSet(subject=zoe.subject))
        signing_in = asyncio.create_task(door.sign_in("zoe"))
        await asyncio.sleep(0.2)
        assert not signing_in.done()
        await changing.commit()
        assert (await signing_in).event["reason"] == "wrong_password"
    finally:
        await connection.close()
    assert (await door.sign_in("zoe", OTHER)).page.status == 303


async def test_a_sign_in_that_a_new_password_overtook_is_none(
    door: Door, zoe: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password that was changed after it was verified begins no session that outlives the change."""
    verify = door.core.passwords.verify

    async def changed_after(kept: Kept | None, password: str) -> bool:
        matches = await verify(kept, password)
        await change(door.core, zoe, AccountPasswordSet(subject=zoe.subject))
        return matches

    monkeypatch.setattr(door.core.passwords, "verify", changed_after)
    answer = await door.sign_in("zoe")
    assert answer.types == ["account.password_set", "session.started", "session.ended", "access.rejected"]
    assert '"sign_in_overtaken"' in answer.events[-1].data
    assert answer.page.status == 400
    assert door.cookie == ""


async def _busy(*_: object) -> bool:
    raise PasswordsBusy

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import jwt
import pytest

from projections.keyset import KeySet
from schema.envelope import Context
from schema.streams import KEYS_STREAM
from service.journal.port import JournalUnavailable, VersionConflict
from service.journal.postgres import PostgresJournal
from service.keys.lifecycle import LONGEST_LIFETIME, KeyChangeRefused
from service.keys.manage import KeyManager, read_keys
from service.keys.material import UnwrapError
from service.keys.ring import KeyRing
from service.keys.vault import Vault
from tests.journal.benches import open_journal
from tests.servers import Database

WRAPPING = bytes(range(32))
OPERATOR = Context("operator")


class Desk(NamedTuple):
    """What manages keys, and where they are."""

    journal: PostgresJournal
    vault: Vault
    manager: KeyManager

    async def keys(self) -> KeySet:
        """The key set as it is now."""
        return await read_keys(self.journal)

    async def in_vault(self) -> set[str]:
        """The kids whose private half is kept."""
        return {row["kid"] for row in await self.journal.fetch("SELECT kid FROM vault.keys")}


def desk_on(journal: PostgresJournal, ahead: int = 900) -> Desk:
    """A desk on a journal."""
    vault = Vault(journal, WRAPPING)
    return Desk(journal, vault, KeyManager(journal, vault, ahead))


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    """A desk with a first key."""
    async with open_journal(database.service_url) as journal:
        ready = desk_on(journal)
        await ready.manager.ensure_first("ES256")
        yield ready


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test sets; its one element is the time in seconds."""
    now = [time.time()]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


async def test_many_first_starts_make_one_key(database: Database) -> None:
    """Workers that start at once on an empty journal end with one key, and one private half."""
    async with AsyncExitStack() as stack:
        desks = [desk_on(await stack.enter_async_context(open_journal(database.service_url))) for _ in range(4)]
        await asyncio.gather(*(one.manager.ensure_first("ES256") for one in desks for _ in range(2)))
        keys = await desks[0].keys()
        assert len(keys.keys) == 1
        assert keys.current is not None
        assert {keys.current.kid} == await desks[0].in_vault()
        assert len(await desks[0].journal.read(0, 100)) == 2


async def test_the_first_key_signs_at_once_and_later_starts_make_none(desk: Desk) -> None:
    """A first start ends with a key that signs; a second one changes nothing."""
    before = await desk.keys()
    await desk.manager.ensure_first("RS256")
    assert before.keys == (await desk.keys()).keys
    assert [key.status for key in before.keys.values()] == ["current"]


async def test_rotation_publishes_before_it_signs(desk: Desk, clock: list[float]) -> None:
    """A new key is published at once, signs only after the publish-ahead time, and the old one stays published."""
    first = (await desk.keys()).current
    assert first is not None
    kid = await desk.manager.rotate("EdDSA", OPERATOR)
    keys = await desk.keys()
    assert (first, {first.kid, kid}) == (keys.current, {key.kid for key in keys.published(clock[0])})
    clock[0] += 890
    await desk.manager.do_what_is_due()
    assert (await desk.keys()).current == first
    clock[0] += 20
    await desk.manager.do_what_is_due()
    keys = await desk.keys()
    assert keys.current is not None
    assert (kid, {first.kid, kid}) == (keys.current.kid, {key.kid for key in keys.published(clock[0])})


async def test_a_superseded_key_is_retired_after_its_last_token(desk: Desk, clock: list[float]) -> None:
    """Chores retire it, and destroy its private half, once every token that it signed has expired."""
    first = (await desk.keys()).current
    assert first is not None
    kid = await desk.manager.rotate("ES256", OPERATOR, now=True)
    clock[0] += LONGEST_LIFETIME - 1
    await desk.manager.do_what_is_due()
    assert {first.kid, kid} == await desk.in_vault()
    clock[0] += 120
    await desk.manager.do_what_is_due()
    assert {kid} == await desk.in_vault()
    assert (await desk.keys()).keys[first.kid].status == "retired"
    head = await desk.journal.head()
    await desk.manager.do_what_is_due()
    assert head == await desk.journal.head()


async def test_a_key_that_waits_is_used_by_the_next_rotation(desk: Desk) -> None:
    """Rotating twice makes one next key; with `now` it signs at once."""
    kid = await desk.manager.rotate("ES256", OPERATOR)
    assert kid == await desk.manager.rotate("ES256", OPERATOR)
    assert kid == await desk.manager.rotate("ES256", OPERATOR, now=True)
    keys = await desk.keys()
    assert keys.current is not None
    assert (kid, 2) == (keys.current.kid, len(keys.keys))


async def test_the_key_that_signs_is_not_retired(desk: Desk) -> None:
    """An operator cannot take the signing key away; the refusal leaves no event."""
    current = (await desk.keys()).current
    assert current is not None
    head = await desk.journal.head()
    with pytest.raises(KeyChangeRefused, match="rotate first"):
        await desk.manager.retire(current.kid, OPERATOR)
    assert (head, {current.kid}) == (await desk.journal.head(), await desk.in_vault())


async def test_an_operator_retires_a_superseded_key_at_once(desk: Desk) -> None:
    """A retired key is no longer published, its private half is gone, and it is not retired twice."""
    first = (await desk.keys()).current
    assert first is not None
    kid = await desk.manager.rotate("ES256", OPERATOR, now=True)
    await desk.manager.retire(first.kid, OPERATOR)
    assert [kid] == [key.kid for key in (await desk.keys()).published(time.time())]
    assert {kid} == await desk.in_vault()
    with pytest.raises(KeyChangeRefused, match="retired already"):
        await desk.manager.retire(first.kid, OPERATOR)


async def test_rotations_at_once_conflict_and_one_wins(desk: Desk, database: Database) -> None:
    """Of operators that rotate at once one makes the key; no private half of the others is left."""
    async with open_journal(database.service_url) as journal:
        other = desk_on(journal)
        outcomes = await asyncio.gather(
            *(one.manager.rotate("ES256", OPERATOR) for one in (desk, other) * 3), return_exceptions=True
        )
    made = {outcome for outcome in outcomes if isinstance(outcome, str)}
    assert all(isinstance(outcome, str | VersionConflict) for outcome in outcomes)
    assert (len(made), len((await desk.keys()).keys)) == (1, 2)
    assert made <= await desk.in_vault()
    assert len(await desk.in_vault()) == 2


async def test_chores_at_once_do_what_is_due_once(desk: Desk, database: Database, clock: list[float]) -> None:
    """Two processes that do the chores at once activate a key once."""
    await desk.manager.rotate("ES256", OPERATOR)
    clock[0] += 1_000
    head = await desk.journal.head()
    async with open_journal(database.service_url) as journal:
        await asyncio.gather(*(one.manager.do_what_is_due() for one in (desk, desk_on(journal)) * 3))
    assert head + 1 == await desk.journal.head()


async def test_the_ring_signs_with_the_current_key_and_reads_what_is_published(desk: Desk) -> None:
    """The vault opens the key that signs; its tokens verify with the published JWK after a rotation too."""
    keys = await desk.keys()
    ring = KeyRing(keys, desk.vault)
    signer = await ring.signer()
    assert keys.current is not None
    token = jwt.encode({"sub": "alpha"}, await desk.vault.get(signer.kid), algorithm="ES256")
    assert jwt.decode(token, jwt.PyJWK(keys.current.jwk).key, algorithms=["ES256"]) == {"sub": "alpha"}
    await desk.manager.rotate("EdDSA", OPERATOR, now=True)
    for recorded in (await desk.journal.read_stream(KEYS_STREAM))[keys.version :]:
        keys.apply(recorded.fact())
    after = await ring.signer()
    assert (after.kid != signer.kid, len(ring.verifiers())) == (True, 2)


async def test_another_master_key_opens_nothing(desk: Desk) -> None:
    """Under a wrong master key the vault says so."""
    current = (await desk.keys()).current
    assert current is not None
    with pytest.raises(UnwrapError):
        await Vault(desk.journal, bytes(32)).get(current.kid)


async def test_without_a_key_nothing_is_signed(desk: Desk) -> None:
    """No key, or a key whose private half is gone, is told as unavailable."""
    with pytest.raises(JournalUnavailable, match="no signing key"):
        await KeyRing(KeySet(), desk.vault).signer()
    keys = await desk.keys()
    assert keys.current is not None
    await desk.vault.forget(keys.current.kid)
    with pytest.raises(JournalUnavailable, match="not in the vault"):
        await KeyRing(keys, desk.vault).signer()


async def test_the_journal_holds_no_private_key(desk: Desk) -> None:
    """Neither the events nor the vault show a private key."""
    events = "".join(event.data for event in await desk.journal.read_stream(KEYS_STREAM))
    assert '"d"' not in events
    private = await desk.vault.get(next(iter(await desk.in_vault())))
    number = private.private_numbers().private_value.to_bytes(32, "big")
    rows = await desk.journal.fetch("SELECT wrapped FROM vault.keys")
    assert all(number not in row["wrapped"] for row in rows)

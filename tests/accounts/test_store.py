from __future__ import annotations

import asyncio
import logging
from typing import Any

import asyncpg
import psycopg
import pytest

from schema import events
from service.access.errors import AccessError, AccessRuleError, Interrupted, ModelUnavailable, NameTaken
from service.access.plan import Applied, Plan
from service.access.store import open_store
from service.accounts.names import new_subject
from service.accounts.passwords import Kept, Passwords
from service.accounts.plan import NewAccount, disabling, grant, new_password, registration
from service.accounts.store import AccountStore, open_accounts
from service.bootstrap import open_worker
from service.journal.port import Append, Appended, JournalTimeout
from service.keys.master import load_keys
from service.settings import Settings
from tests.access.folding import journal
from tests.accounts.test_strength import GOOD
from tests.servers import Database

OTHER = "walnut-7-lantern-drift"


async def add(store: AccountStore, name: str, password: str | None = None) -> Applied:
    """What `account add` does."""
    new = NewAccount(new_subject(), name, password=password)
    return await store.change(lambda directory: registration(directory, new), password)


async def set_password(store: AccountStore, name: str, password: str) -> Applied:
    """What `account set-password` does."""
    return await store.change(lambda directory: new_password(directory, name, password), password)


def vault(database: Database) -> dict[str, str]:
    """The hashes that are kept, by subject."""
    with psycopg.connect(database.owner_url) as connection:
        return dict(connection.execute("SELECT subject::text, hash FROM vault.passwords").fetchall())


async def subject_of(store: AccountStore, name: str) -> str:
    """The subject of an account."""
    account = (await store.directory()).accounts.named(name)
    assert account is not None
    return account.subject


async def kept_password(store: AccountStore, database: Database, settings: Settings, password: str) -> bool:
    """Whether it is the password of Zoe, by what the vault holds."""
    subject = await subject_of(store, "zoe")
    passwords = Passwords(load_keys(settings).passwords, settings)
    try:
        return await passwords.verify(Kept(subject, vault(database)[subject]), password)
    finally:
        passwords.close()


async def test_one_of_two_who_add_one_name_wins(at_home: Settings, database: Database) -> None:
    """Several that add the same name at once: one adds it, the others hear that it exists, and there is one hash."""

    async def attempt(name: str) -> Applied | AccessError:
        async with open_accounts(at_home, database.service_url) as store:
            try:
                return await add(store, name, GOOD)
            except AccessError as error:
                return error

    outcomes = await asyncio.gather(*map(attempt, ("zoe", "Zoe", "ZOE", "zOe")))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Applied", *["NameTaken"] * 3]
    assert [kind for kind, _ in journal(database.owner_url)] == ["account.registered", "account.password_set"]
    assert len(vault(database)) == 1


async def test_two_who_append_one_name_conflict(
    store: AccountStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the lock does not hold, the stream does: the second registration is refused and leaves no hash."""
    append = store._changes._journal.append

    async def after_another(request: Append) -> Appended:
        monkeypatch.undo()
        other = events.AccountRegistered(subject=new_subject(), name="zoe")
        await append(Append(request.stream, request.expected_version, (other,)))
        return await append(request)

    monkeypatch.setattr(store._changes._journal, "append", after_another)
    with pytest.raises(NameTaken):
        await add(store, "zoe", GOOD)
    assert ([kind for kind, _ in journal(database.owner_url)], vault(database)) == (["account.registered"], {})


async def test_a_password_is_set_and_replaced(store: AccountStore, database: Database, at_home: Settings) -> None:
    """The new password works, the old one does not, and each is an event."""
    await add(store, "zoe")
    assert vault(database) == {}
    for password, other in ((GOOD, OTHER), (OTHER, GOOD)):
        await set_password(store, "zoe", password)
        assert await kept_password(store, database, at_home, password)
        assert not await kept_password(store, database, at_home, other)
    kinds = [kind for kind, _ in journal(database.owner_url)]
    assert kinds == ["account.registered", "account.password_set", "account.password_set"]


async def test_the_same_password_is_refused(store: AccountStore, database: Database) -> None:
    """A password that the account has already is no new one; nothing changes."""
    await add(store, "zoe", GOOD)
    before = journal(database.owner_url), vault(database)
    with pytest.raises(AccessRuleError, match=r"^password: is the one that the account has already$"):
        await set_password(store, "zoe", GOOD)
    assert before == (journal(database.owner_url), vault(database))


async def test_a_weak_password_changes_nothing(store: AccountStore, database: Database) -> None:
    """A refused password leaves neither an account nor a hash."""
    with pytest.raises(AccessRuleError, match="too easy to guess"):
        await add(store, "zoe", "password1")
    assert (journal(database.owner_url), vault(database)) == ([], {})


async def test_no_password_works_without_its_event(
    store: AccountStore, database: Database, at_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the journal fails, the password from before still works."""
    await add(store, "zoe", GOOD)

    async def fail(_: Append) -> Appended:
        raise JournalTimeout("the commit did not come within its deadline")

    monkeypatch.setattr(store._changes._journal, "append", fail)
    with pytest.raises(Interrupted, match="run it again"):
        await set_password(store, "zoe", OTHER)
    assert await kept_password(store, database, at_home, GOOD)


async def test_a_hash_that_was_not_kept_is_told(
    store: AccountStore, database: Database, at_home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the vault fails after the event, nothing is said to be done, and running it again does it."""
    await add(store, "zoe", GOOD)
    append = store._changes.append

    async def then_cut_off(*arguments: Any) -> int:
        position = await append(*arguments)
        with psycopg.connect(database.owner_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND state = 'idle in transaction'"
            )
        return position

    with monkeypatch.context() as patched:
        patched.setattr(store._changes, "append", then_cut_off)
        with pytest.raises(Interrupted, match="run it again") as told:
            await set_password(store, "zoe", OTHER)
    assert told.value.applied.steps == []
    assert await kept_password(store, database, at_home, GOOD)
    await set_password(store, "zoe", OTHER)
    assert await kept_password(store, database, at_home, OTHER)


async def test_nothing_secret_is_recorded(
    store: AccountStore, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither passwords nor hashes are anywhere in the journal, in a log line or in a message."""
    caplog.set_level(logging.DEBUG)
    await add(store, "zoe", GOOD)
    await set_password(store, "zoe", OTHER)
    told = []
    for refused in (OTHER, "letmein2024", f"{GOOD}\0"):
        with pytest.raises(AccessRuleError) as error:
            await set_password(store, "zoe", refused)
        told.append(str(error.value))
    with psycopg.connect(database.owner_url) as connection:
        recorded = connection.execute("SELECT to_jsonb(e)::text FROM journal.events e").fetchall()
    everything = "\n".join((*told, caplog.text, *(row for (row,) in recorded)))
    (kept,) = vault(database).values()
    salt, tag = kept.split("$")[-2:]
    assert [text for text in (GOOD, OTHER, "letmein", "argon2", salt, tag) if text in everything] == []
    assert len(recorded) == 3


async def test_events_name_who_caused_them(store: AccountStore, database: Database) -> None:
    """The actor of a command is its operating system's user."""
    await add(store, "zoe")
    with psycopg.connect(database.owner_url) as connection:
        actors = connection.execute("SELECT actor FROM journal.events").fetchall()
    assert [actor.startswith("cli:") for (actor,) in actors] == [True]


async def test_a_role_is_granted_only_while_there_is_one(
    store: AccountStore, at_home: Settings, database: Database
) -> None:
    """Accounts and access model change under one lock: a role cannot be removed while it is granted."""
    await add(store, "zoe")
    async with open_store(at_home, database.service_url) as access, access._changes.alone(Applied()):
        granting = asyncio.create_task(store.change(lambda directory: grant(directory, "zoe", "reader")))
        assert await asyncio.wait([granting], timeout=0.3) == (set(), {granting})
    with pytest.raises(AccessRuleError, match="is no role"):
        await granting


async def test_a_change_waits_for_every_worker(store: AccountStore, at_home: Settings) -> None:
    """When a change returns, a running worker has folded it."""
    await add(store, "zoe", GOOD)
    async with open_worker(at_home) as worker:
        await store.change(lambda directory: disabling(directory, "zoe", ""))
        account = worker.state.accounts.named("zoe")
        assert account is not None
        assert (account.enabled, account.has_password) == (False, True)


async def test_without_a_master_key_nothing_changes(at_home: Settings, database: Database) -> None:
    """A password needs the master key; an account without one does not."""
    keyless = Settings(home=at_home.home)
    async with open_accounts(keyless, database.service_url) as store:
        with pytest.raises(ModelUnavailable, match="no master key"):
            await add(store, "zoe", GOOD)
        assert journal(database.owner_url) == []
        await add(store, "zoe")


async def test_a_plan_without_a_password_asks_for_none(store: AccountStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is hashed for changes that set no password."""
    monkeypatch.setattr(store, "_passwords", lambda: pytest.fail("asked for passwords"))
    await add(store, "zoe")
    assert (await store.change(lambda _: Plan(()), GOOD)).steps == []


async def test_a_lost_connection_is_no_traceback(store: AccountStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the connection that holds the lock is gone, the command says so."""

    async def gone(*_: object) -> None:
        raise asyncpg.InterfaceError("connection is closed")

    await add(store, "zoe", GOOD)
    monkeypatch.setattr(store, "_new_hash", gone)
    with pytest.raises(Interrupted, match="connection is closed; run it again"):
        await set_password(store, "zoe", OTHER)

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

import msgspec
import psycopg
import pytest

from projections.access_model import AccessModel
from schema.envelope import RecordedEvent
from schema.events import AccountRegistered, ClientDisabled, ClientSettings
from schema.streams import account_stream
from service.access.errors import AccessError, Interrupted, ModelUnavailable, NameTaken
from service.access.plan import Applied, Plan, Wanted, client_change, make_plan
from service.access.store import AccessStore, apply_access_file, open_store
from service.journal.port import Append, Appended, JournalTimeout
from service.settings import Settings
from tests.access.folding import journal
from tests.servers import Database

EXAMPLE = Path(__file__).parents[2] / "examples" / "access.yaml"
CLIENT = ClientSettings(client_id="worker", auth_method="client_secret_basic")


@pytest.fixture
def at_home(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a home of the test's own."""
    return msgspec.structs.replace(settings, home=tmp_path / "home")


@pytest.fixture
async def store(at_home: Settings, database: Database) -> AsyncIterator[AccessStore]:
    """The access model of the test's database."""
    async with open_store(at_home, database.service_url) as opened:
        yield opened


def add_client(model: AccessModel) -> Plan:
    """What `client add` decides."""
    if "worker" in model.clients:
        raise NameTaken("client", "worker")
    return make_plan(model, Wanted(clients={"worker": CLIENT}), prune=False)


def meddling(store: AccessStore, monkeypatch: pytest.MonkeyPatch, meddle: Callable[[Append], bool]) -> list[Append]:
    """Before each append of the store, another writer appends the same, as long as `meddle` says so."""
    append, seen = store._changes._journal.append, []

    async def after_another(request: Append) -> Appended:
        seen.append(request)
        if meddle(request):
            await append(request)
        return await append(request)

    monkeypatch.setattr(store._changes._journal, "append", after_another)
    return seen


async def test_events_of_people_are_left_out(store: AccessStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of accounts and consents there may be millions, and none of them changes the access model."""
    access = store._changes._journal
    person = AccountRegistered(subject="00000000-0000-4000-8000-000000000000", name="zoe")
    await access.append(Append(account_stream("zoe"), 0, (person,)))
    read: list[list[str]] = []
    read_entities = access.read_entities

    async def noting(without: Collection[str]) -> tuple[list[RecordedEvent], int]:
        recorded, head = await read_entities(without)
        read.append([each.type for each in recorded])
        return recorded, head

    monkeypatch.setattr(access, "read_entities", noting)
    await store.change(add_client)
    assert (await store.model()).clients.keys() == {"worker"}
    assert read == [[], ["client.registered"]]


async def test_one_of_two_who_add_one_name_wins(at_home: Settings, database: Database) -> None:
    """Two that add the same client at once: one adds it, the other hears that it exists."""

    async def add() -> Applied | AccessError:
        async with open_store(at_home, database.service_url) as opened:
            try:
                return await opened.change(add_client)
            except AccessError as error:
                return error

    outcomes = await asyncio.gather(*(add() for _ in range(4)))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Applied", *["NameTaken"] * 3]
    assert [kind for kind, _ in journal(database.owner_url)] == ["client.registered"]


async def test_a_conflict_is_decided_once_more(store: AccessStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that comes in between makes the change decide again on what there is then."""
    meddling(store, monkeypatch, lambda _: True)
    with pytest.raises(NameTaken):
        await store.change(add_client)


async def test_a_conflict_without_end_is_told(store: AccessStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a second conflict the change gives up, and says so."""

    def decide(model: AccessModel) -> Plan:
        return Plan((client_change(model, ClientDisabled(client_id="worker")),))

    await store.change(add_client)
    seen = meddling(store, monkeypatch, lambda _: True)
    with pytest.raises(Interrupted, match="changed by others at the same time; run it again"):
        await store.change(decide)
    assert [request.expected_version for request in seen] == [1, 2]


async def test_what_is_done_before_a_failure_is_told(store: AccessStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the journal fails in the middle, the secrets made until then are in the error."""
    two = Wanted(clients={name: msgspec.structs.replace(CLIENT, client_id=name) for name in ("a", "b")})
    append = store._changes._journal.append

    async def fail_for_b(request: Append) -> Appended:
        if getattr(request.events[0], "client_id", None) == "b":
            raise JournalTimeout("the commit did not come within its deadline")
        return await append(request)

    monkeypatch.setattr(store._changes._journal, "append", fail_for_b)
    with pytest.raises(Interrupted) as told:
        await store.change(lambda model: make_plan(model, two, prune=False))
    assert [step.name for step in told.value.applied.steps] == ["a"]
    assert list(told.value.applied.secrets) == ["a"]
    assert str(told.value) == (
        "the commit did not come within its deadline; run it again: what is done is not done twice"
    )


async def test_the_example_is_applied_once(at_home: Settings, database: Database) -> None:
    """The first time makes secrets, in their files and not to be shown; the second time changes nothing."""
    first = await apply_access_file(at_home, EXAMPLE)
    assert first.secrets == {}
    assert sorted(_kept(at_home)) == ["auditor", "billing-worker", "payments-api", "users-api", "web-app"]
    events = journal(database.owner_url)
    assert await apply_access_file(at_home, EXAMPLE) == (["nothing to change"], {})
    assert journal(database.owner_url) == events


async def test_no_secret_is_in_an_event(at_home: Settings, database: Database) -> None:
    """The journal knows a secret by its keyed digest alone."""
    await apply_access_file(at_home, EXAMPLE)
    stored = str(journal(database.owner_url))
    secrets = _kept(at_home).values()
    assert len(secrets) == 5
    assert "tly_cs_" not in stored
    assert not [secret for secret in secrets if secret in stored or secret[7:-6] in stored]


def _kept(settings: Settings) -> dict[str, str]:
    """The secret files of a home, by name."""
    return {path.name: path.read_text().strip() for path in (settings.home / "secrets").iterdir()}


async def test_events_name_who_caused_them(store: AccessStore, database: Database) -> None:
    """The actor of a command is its operating system's user."""
    await store.change(add_client)
    with psycopg.connect(database.owner_url) as connection:
        actors = connection.execute("SELECT DISTINCT actor FROM journal.events").fetchall()
    assert [actor.startswith("cli:") for (actor,) in actors] == [True]


async def test_a_lost_secret_file_is_told(at_home: Settings) -> None:
    """A secret file that is gone, or holds something else, is told with the command that makes a new one."""
    await apply_access_file(at_home, EXAMPLE)
    folder = at_home.home / "secrets"
    (folder / "users-api").unlink()
    (folder / "payments-api").write_text("tly_cs_other\n")
    remedy = "; to have a new one there: tallystick client rotate-secret"
    other = f"{folder}/payments-api does not hold the secret of payments-api"
    assert (await apply_access_file(at_home, EXAMPLE)).lines == [
        "nothing to change",
        f"{folder}/users-api is missing{remedy} users-api --secret-file users-api",
        f"{other}{remedy} payments-api --secret-file payments-api",
    ]


async def test_a_secret_file_survives_a_kill_after_the_commit(
    at_home: Settings, store: AccessStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process killed between the commit and the move of the file loses no secret."""

    def killed(_: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store._files, "settle", killed)
        with pytest.raises(KeyboardInterrupt):
            await store.change(add_client, secret_files={"worker": "worker"})
    assert store._files.read("worker") is None
    await store.change(lambda _: Plan(()), secret_files={"worker": "worker"})
    secret = store._files.read("worker")
    assert secret is not None
    assert store._is_secret_of((await store.model()).clients["worker"], secret)


async def test_a_change_waits_for_every_worker(store: AccessStore, database: Database) -> None:
    """A worker that has a lease and has not folded the change holds it back until it has."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        lease = "SELECT journal.lease('00000000-0000-0000-0000-000000000001', %s, 30)"
        connection.execute(lease, (0,))
        change = asyncio.create_task(store.change(add_client))
        done, _ = await asyncio.wait([change], timeout=0.5)
        assert done == set()
        connection.execute(lease, (1,))
        assert (await asyncio.wait_for(change, 25)).position == 1


async def test_changes_are_made_one_at_a_time(
    store: AccessStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another change is under way this one waits, and says so when that takes too long."""
    with psycopg.connect(database.owner_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtext('tallystick.access'))")
        with monkeypatch.context() as patched:
            patched.setattr("service.access.changes._LOCK_SECONDS", 0.2)
            with pytest.raises(ModelUnavailable, match="another change is under way; try again"):
                await store.change(add_client)
        waiting = asyncio.create_task(store.change(add_client))
        assert await asyncio.wait([waiting], timeout=0.3) == (set(), {waiting})
        other.commit()
        assert (await asyncio.wait_for(waiting, 60)).position == 1


async def test_an_event_that_cannot_be_read_is_told(store: AccessStore, database: Database) -> None:
    """An event of a later version stops the command, with the event's position."""
    await store.change(add_client)
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute("UPDATE journal.events SET type = 'client.renamed'")
    with pytest.raises(ModelUnavailable, match=r"event 1 \(client.renamed\) cannot be read"):
        await store.model()


async def test_stopped_after_the_commit_the_secret_is_still_told(
    store: AccessStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while waiting for the workers does not lose the secret that was made."""
    waiting = asyncio.Event()

    async def wait(_: int) -> None:
        waiting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(store._changes._barrier, "wait", wait)
    change = asyncio.create_task(store.change(add_client))
    await waiting.wait()
    change.cancel()
    with pytest.raises(Interrupted) as told:
        await change
    assert list(told.value.applied.secrets) == ["worker"]


async def test_an_unmigrated_database_is_told(at_home: Settings, database: Database) -> None:
    """A database without the journal gives a message that names the command to run."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA journal CASCADE")
    with pytest.raises(ModelUnavailable, match="see: tallystick migrate"):
        async with open_store(at_home, database.service_url):
            pass


async def test_a_missing_master_key_changes_nothing(at_home: Settings, database: Database) -> None:
    """Without a master key no client that needs a secret is made."""
    keyless = msgspec.structs.replace(at_home, master_key=None)
    with pytest.raises(ModelUnavailable, match="no master key"):
        async with open_store(keyless, database.service_url) as opened:
            await opened.change(add_client)
    assert journal(database.owner_url) == []

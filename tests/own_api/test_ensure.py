from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from projections.access_model import AccessModel
from schema.events import ClientSettings, ResourceRemoved, ResourceUpdated
from schema.streams import resource_stream
from service.access.check import plan_addition, plan_document
from service.access.document import read_document
from service.access.errors import AccessFileError, AccessRuleError
from service.access.plan import Wanted
from service.bootstrap import open_journal
from service.journal.port import Append
from service.journal.postgres import PostgresJournal
from service.own_api.ensure import ensure_own_api
from service.own_api.scopes import AUDIT_READ, OWN_API, OWN_SCOPES
from service.settings import Settings
from tests.access.folding import USERS, fold

STREAM = resource_stream(OWN_API)
AUDITOR = ClientSettings(
    client_id="auditor",
    auth_method="client_secret_basic",
    grants=("client_credentials",),
    resources=(OWN_API,),
    scopes=(AUDIT_READ,),
)


async def known(journal: PostgresJournal) -> dict[str, str]:
    """The scopes of the own API, as the journal has them."""
    model = AccessModel()
    for recorded in await journal.read_stream(STREAM):
        model.apply(recorded.fact())
    return model.resources[OWN_API].scopes


async def test_workers_that_start_at_once_make_it_once(settings: Settings) -> None:
    """One registers it, the others find it there; a later start changes nothing."""
    async with open_journal(settings) as one, open_journal(settings) as two:
        await asyncio.gather(*(ensure_own_api(journal) for journal in (one, two) * 5))
        await ensure_own_api(one)
        assert [event.type for event in await one.read_stream(STREAM)] == ["resource.registered"]
        assert await known(one) == OWN_SCOPES


async def test_a_version_with_more_scopes_adds_them(settings: Settings) -> None:
    """What an operator described stays as it is, and so does what a newer version has more."""
    described = {AUDIT_READ: "See everything", "newer:read": "Of a newer version"}
    async with open_journal(settings) as journal:
        await ensure_own_api(journal)
        await journal.append(Append(STREAM, 1, (ResourceUpdated(uri=OWN_API, scopes=described),)))
        await ensure_own_api(journal)
        assert {**OWN_SCOPES, **described} == await known(journal)
        assert len(await journal.read_stream(STREAM)) == 3


async def test_one_that_was_removed_is_made_again(settings: Settings) -> None:
    """Whatever removed it."""
    async with open_journal(settings) as journal:
        await ensure_own_api(journal)
        await journal.append(Append(STREAM, 1, (ResourceRemoved(uri=OWN_API),)))
        await ensure_own_api(journal)
        assert await known(journal) == OWN_SCOPES


def test_a_client_of_it_can_be_added_to_a_fresh_home() -> None:
    """It is made with the first client that has it; a client of another API makes nothing else."""
    model = AccessModel()
    plan = plan_addition(model, Wanted(clients={"auditor": AUDITOR}))
    assert [step.name for step in plan.steps] == [OWN_API, "auditor"]
    fold(model, plan.steps)
    assert model.resources[OWN_API].scopes == OWN_SCOPES
    assert [step.name for step in plan_addition(AccessModel(), Wanted(resources={USERS: {}})).steps] == [USERS]


def test_nobody_introspects_it() -> None:
    """It is this server itself."""
    curious = ClientSettings(client_id="curious", auth_method="client_secret_basic", introspects=(OWN_API,))
    with pytest.raises(AccessRuleError, match="this server itself"):
        plan_addition(AccessModel(), Wanted(clients={"curious": curious}))


def applied(folder: Path, text: str, model: AccessModel, *, prune: bool = True) -> AccessModel:
    """The model once a file is applied."""
    file = folder / "access.yaml"
    file.write_text(text)
    return fold(model, plan_document(read_document(file), model, prune=prune).steps)


def test_it_is_part_of_every_document(tmp_path: Path) -> None:
    """Applying a file makes it, pruning keeps it, and a second run changes nothing."""
    text = f"resources:\n  - uri: {USERS}\n"
    model = applied(tmp_path, text, AccessModel())
    assert {USERS, OWN_API} == model.resources.keys()
    assert plan_document(read_document(tmp_path / "access.yaml"), model, prune=True).steps == ()
    applied(tmp_path, "roles: []\n", model)
    assert {OWN_API} == model.resources.keys()


def test_a_document_says_how_its_scopes_are_described(tmp_path: Path) -> None:
    """It may leave scopes out, which drops none, and clients of the file may have them."""
    text = (
        f"resources:\n  - uri: {OWN_API}\n    scopes:\n      'audit:read': Alles lesen\n"
        f"clients:\n  - id: auditor\n    grants: [client_credentials]\n    resources: [{OWN_API}]\n"
        "    scopes: ['audit:read', 'usage:read']\n"
    )
    model = applied(tmp_path, text, AccessModel(), prune=False)
    assert model.resources[OWN_API].scopes == {**OWN_SCOPES, AUDIT_READ: "Alles lesen"}
    assert plan_document(read_document(tmp_path / "access.yaml"), model, prune=False).steps == ()


def test_a_document_cannot_give_it_other_scopes(tmp_path: Path) -> None:
    """A misspelt scope is told."""
    with pytest.raises(AccessFileError, match='"audit:raed" is no scope of this server — did you mean "audit:read"'):
        applied(tmp_path, f"resources:\n  - uri: {OWN_API}\n    scopes:\n      'audit:raed': x\n", AccessModel())


def test_people_give_its_scopes_by_a_role_alone(tmp_path: Path) -> None:
    """Whoever may sign in at an app that may read the record is not let to read it by that alone."""
    model = applied(tmp_path, "roles: []\n", AccessModel())
    assert OWN_SCOPES.keys() == model.governed

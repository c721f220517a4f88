from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from projections.access_model import AccessModel
from projections.accounts import Accounts
from schema import events
from schema.envelope import Fact
from schema.streams import account_stream, role_stream
from service.access.errors import AccessRuleError, NameTaken, NameUnknown
from service.access.plan import Plan
from service.accounts.plan import (
    Directory,
    NewAccount,
    disabling,
    enabling,
    grant,
    new_password,
    registration,
    withdrawal,
)
from tests.accounts.test_strength import GOOD
from tests.projections.histories import MOMENT

ZOE = NewAccount("one", "Zoe", "zoe@example.com", ("reader",), GOOD)


def directory(*plans: Callable[[Directory], Plan]) -> Directory:
    """The role `reader`, and what these plans make of it."""
    known = Directory(AccessModel(), Accounts())
    registered = Fact(1, role_stream("reader"), 1, events.RoleRegistered(name="reader"), MOMENT)
    known.access.apply(registered)
    for plan in plans:
        for step in plan(known).steps:
            assert known.accounts.version_of(step.stream) == step.expected_version
            for version, event in enumerate(step.events, step.expected_version + 1):
                known.accounts.apply(Fact(1, step.stream, version, event, MOMENT))
    return known


def zoe(*plans: Callable[[Directory], Plan]) -> Directory:
    """The same with the account of Zoe."""
    return directory(lambda known: registration(known, ZOE), *plans)


def appended(plan: Plan) -> list[events.Event]:
    """The events of a plan."""
    return [event for step in plan.steps for event in step.events]


def test_a_registration_is_all_or_nothing() -> None:
    """Account, roles and the fact of a password are events of one stream, in one step."""
    (step,) = registration(directory(), ZOE).steps
    assert (step.name, step.stream, step.expected_version) == ("zoe", account_stream("zoe"), 0)
    assert list(step.events) == [
        events.AccountRegistered(subject="one", name="zoe", email="zoe@example.com"),
        events.RoleGranted(subject="one", role="reader"),
        events.AccountPasswordSet(subject="one"),
    ]


def test_a_role_named_twice_is_granted_once() -> None:
    """Naming it again changes nothing, and without a password there is no event of one."""
    new = NewAccount("one", "zoe", roles=("reader", "reader"))
    assert [event.TYPE for event in appended(registration(directory(), new))] == ["account.registered", "role.granted"]


def test_every_mistake_is_told() -> None:
    """Name, email, role and password are all looked at."""
    with pytest.raises(AccessRuleError) as refused:
        registration(directory(), NewAccount("one", "z z", "zoe", ("reader", "raeder"), "short"))
    assert [mistake.field for mistake in refused.value.mistakes] == ["name", "email", "roles[1]", "password"]
    assert 'did you mean "reader"?' in str(refused.value)
    assert "short" not in str(refused.value).replace("is shorter than", "")


def test_a_name_is_taken_however_it_is_typed() -> None:
    """Upper and lower case do not make two accounts."""
    with pytest.raises(NameTaken):
        registration(zoe(), NewAccount("two", "ZOE"))


def test_a_password_is_not_made_of_what_the_account_is_called() -> None:
    """The name and address that were registered count when the password is set later, too."""
    with pytest.raises(AccessRuleError, match="password: is too easy to guess"):
        new_password(zoe(), "ZOE", "zoe@example.com")
    assert appended(new_password(zoe(), "ZOE", GOOD)) == [events.AccountPasswordSet(subject="one")]


def test_what_is_so_already_is_no_event() -> None:
    """Each change is made once."""
    off, on = partial(disabling, name="Zoe", reason="left"), partial(enabling, name="Zoe")
    given, taken = (partial(change, name="Zoe", role="reader") for change in (grant, withdrawal))
    assert appended(off(zoe())) == [events.AccountDisabled(subject="one", reason="left")]
    assert appended(on(zoe(off))) == [events.AccountEnabled(subject="one")]
    assert appended(taken(zoe())) == [events.RoleWithdrawn(subject="one", role="reader")]
    assert appended(given(zoe(taken))) == [events.RoleGranted(subject="one", role="reader")]
    for again in (off(zoe(off)), on(zoe()), taken(zoe(taken)), given(zoe())):
        assert again.steps == ()


def test_a_reason_is_one_line() -> None:
    """What goes into the record is fit to be shown."""
    with pytest.raises(AccessRuleError, match=r"^reason: has line breaks"):
        disabling(zoe(), "zoe", "a\nb")


@pytest.mark.parametrize("change", [grant, withdrawal])
def test_an_unknown_role_is_told(change: Callable[[Directory, str, str], Plan]) -> None:
    """A slip in a role's name never looks like a role withdrawn."""
    with pytest.raises(AccessRuleError, match=r'"raeder" is no role — did you mean "reader"?'):
        change(zoe(), "zoe", "raeder")


@pytest.mark.parametrize("name", ["nobody", "no body", ""])
def test_an_unknown_account_is_told(name: str) -> None:
    """Whatever is asked for, and also where no account can have that name."""
    for change in (
        partial(disabling, name=name, reason=""),
        partial(enabling, name=name),
        partial(grant, name=name, role="reader"),
        partial(withdrawal, name=name, role="reader"),
        partial(new_password, name=name, password=GOOD),
    ):
        with pytest.raises(NameUnknown):
            change(zoe())

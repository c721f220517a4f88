from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given

from projections.accounts import Account, Accounts
from projections.state import WorkerState
from schema import events
from schema.envelope import Fact
from schema.streams import account_stream, role_stream
from tests.projections.histories import MOMENT, NAMES, Writer, account_histories
from tests.projections.test_access_model import reread


def folded(facts: Iterable[Fact]) -> Accounts:
    """The accounts that some facts make."""
    accounts = Accounts()
    for fact in facts:
        accounts.apply(fact)
    return accounts


def contents(accounts: Accounts) -> tuple[object, ...]:
    """All that the fold holds."""
    by_name = {name: accounts.named(name) for name in NAMES}
    return accounts.by_subject, by_name, {name: accounts.version_of(account_stream(name)) for name in NAMES}


def account(*changes: events.Event) -> Account | None:
    """The account of zoe, to which this happened."""
    writer = Writer()
    for event in (events.AccountRegistered(subject="one", name="zoe"), *changes):
        stream = role_stream(event.name) if isinstance(event, events.RoleRemoved) else account_stream("zoe")
        writer.write(stream, event)
    return folded(writer.facts).named("zoe")


@given(account_histories())
def test_rebuilt_from_the_journal_equals_live(facts: list[Fact]) -> None:
    """The accounts folded from stored bytes are those folded from the events as they happened."""
    assert contents(folded(facts)) == contents(folded(reread(facts)))


@given(account_histories())
def test_a_worker_folds_the_same_accounts(facts: list[Fact]) -> None:
    """A worker's state holds the same accounts, at the position of the last event."""
    state = WorkerState(grant_limit=10)
    for fact in facts:
        state.apply(fact)
    assert contents(folded(facts)) == contents(state.accounts)
    assert len(facts) == state.position


@given(account_histories())
def test_by_name_and_by_subject_are_the_same_accounts(facts: list[Fact]) -> None:
    """An account is found by its name and by its subject, and is the same."""
    accounts = folded(facts)
    by_name = {name: found for name in NAMES if (found := accounts.named(name)) is not None}
    assert by_name == {each.name: each for each in accounts.by_subject.values()}


@given(account_histories())
def test_nobody_has_a_role_from_before_its_removal(facts: list[Fact]) -> None:
    """What an account has of a role, it was granted since that role was last removed and it was last withdrawn."""
    granted: set[tuple[str, str]] = set()
    for fact in facts:
        match fact.event:
            case events.RoleGranted() as event:
                granted.add((event.subject, event.role))
            case events.RoleWithdrawn() as event:
                granted.discard((event.subject, event.role))
            case events.RoleRemoved() as event:
                granted = {each for each in granted if each[1] != event.name}
    held = {(each.subject, role) for each in folded(facts).by_subject.values() for role in each.roles}
    assert granted == held


def test_registered_account_is_enabled_and_has_nothing() -> None:
    """An account comes without password and roles."""
    nothing = Account(subject="one", name="zoe", email=None, roles=frozenset(), enabled=True, has_password=False)
    assert nothing == account()


def test_disabled_until_enabled() -> None:
    """An account keeps its password and roles while it is disabled."""
    had = (events.AccountPasswordSet(subject="one"), events.RoleGranted(subject="one", role="reader"))
    off, on = events.AccountDisabled(subject="one"), events.AccountEnabled(subject="one")
    there = Account(subject="one", name="zoe", roles=frozenset({"reader"}), has_password=True)
    assert msgspec.structs.replace(there, enabled=False) == account(*had, off)
    assert there == account(*had, off, on)


def test_a_removed_role_does_not_come_back() -> None:
    """A later role of the same name is nobody's until it is granted."""
    granted, removed = events.RoleGranted(subject="one", role="reader"), events.RoleRemoved(name="reader")
    assert account(granted, removed) == account()
    assert account(granted, removed, granted) == account(granted) != account()


def test_withdrawing_what_is_not_there_takes_nothing() -> None:
    """A role that was removed a moment before it is withdrawn is no poison: it is gone, as was wanted."""
    assert account(events.RoleWithdrawn(subject="one", role="reader")) == account()


@pytest.mark.parametrize(
    "event",
    [
        events.AccountPasswordSet(subject="nobody"),
        events.AccountDisabled(subject="nobody"),
        events.AccountEnabled(subject="nobody"),
        events.RoleGranted(subject="nobody", role="reader"),
        events.RoleWithdrawn(subject="nobody", role="reader"),
    ],
    ids=lambda event: event.TYPE,
)
def test_a_change_of_what_does_not_exist_is_poison(event: events.Event) -> None:
    """A fold raises on an event that makes no sense; it never passes it over."""
    with pytest.raises(KeyError):
        Accounts().apply(Fact(1, account_stream("nobody"), 1, event, MOMENT))

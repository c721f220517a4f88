from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given

from projections.accounts import Account, Accounts, Passkey
from projections.state import WorkerState
from schema import events
from schema.envelope import Fact
from schema.streams import account_stream, role_stream
from tests.projections.histories import MOMENT, NAMES, Writer
from tests.projections.people_histories import account_histories
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
    there = Account(subject="one", name="zoe", roles=frozenset({"reader"}), has_password=True, sessions_after=4)
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


PASSKEY = events.PasskeyAdded(
    subject="one", credential_id="id", public_key="key", label="phone", added_at=9, sign_count=3, transports=("usb",)
)
UNLOCKED = Passkey(credential_id="id", public_key="key", label="phone", added_at=9, sign_count=3, transports=("usb",))


@pytest.mark.parametrize(
    ("happened", "sessions", "grants"),
    [
        ((events.AccountPasswordSet(subject="one"),), 2, 0),
        ((events.AccountDisabled(subject="one"),), 2, 0),
        ((events.AccountDisabled(subject="one"), events.AccountEnabled(subject="one")), 2, 0),
        ((events.AccountSignedOut(subject="one"),), 2, 2),
        ((events.AccountSignedOut(subject="one"), events.AccountPasswordSet(subject="one")), 3, 2),
        ((events.TotpEnrolled(subject="one"), events.RoleGranted(subject="one", role="reader")), 0, 0),
    ],
)
def test_what_ends_sessions_and_grants(happened: tuple[events.Event, ...], *, sessions: int, grants: int) -> None:
    """A new password, disabling and signing out end the sessions before them; signing out the grants too."""
    zoe = account(*happened)
    assert zoe is not None
    assert (sessions, grants) == (zoe.sessions_after, zoe.grants_after)


def test_factors_come_and_go() -> None:
    """An authenticator app or a passkey makes a second factor, as long as it is there."""
    app, no_app = events.TotpEnrolled(subject="one"), events.TotpRemoved(subject="one")
    lost = events.PasskeyRemoved(subject="one", credential_id="id")
    histories = ((), (app,), (app, no_app), (PASSKEY,), (PASSKEY, lost), (app, PASSKEY, lost))
    found = [zoe.has_second_factor for each in histories if (zoe := account(*each))]
    assert found == [False, True, False, True, False, True]


def test_a_passkey_finds_its_account() -> None:
    """A passkey alone says whose it is, until it is removed."""
    stream, writer = account_stream("zoe"), Writer()
    for event in (events.AccountRegistered(subject="one", name="zoe"), PASSKEY):
        writer.write(stream, event)
    accounts = folded(writer.facts)
    zoe = accounts.with_passkey("id")
    assert zoe is not None
    assert (zoe.passkeys, zoe.name) == ((UNLOCKED,), "zoe")
    accounts.apply(Fact(3, stream, 3, events.PasskeyRemoved(subject="one", credential_id="id"), MOMENT))
    assert (accounts.with_passkey("id"), accounts.by_subject["one"].passkeys) == (None, ())


def test_a_recovery_code_is_used_once() -> None:
    """What is used is gone, and new codes take the place of all before."""
    codes = events.RecoveryCodesSet(subject="one", digests=("a", "b"))
    used = events.RecoveryCodeUsed(subject="one", digest="a")
    renewed = events.RecoveryCodesSet(subject="one", digests=("c",))
    histories = ((codes,), (codes, used), (codes, used, used), (codes, used, renewed))
    left = [zoe.recovery_digests for each in histories if (zoe := account(*each))]
    assert [{"a", "b"}, {"b"}, {"b"}, {"c"}] == left


@given(account_histories())
def test_every_passkey_finds_its_account(facts: list[Fact]) -> None:
    """Passkeys and the accounts that have them are told the same both ways."""
    accounts = folded(facts)
    keys = {key.credential_id: each for each in accounts.by_subject.values() for key in each.passkeys}
    added = {fact.event.credential_id for fact in facts if isinstance(fact.event, events.PasskeyAdded)}
    assert {each: keys.get(each) for each in added} == {each: accounts.with_passkey(each) for each in added}


@given(account_histories())
def test_what_ended_stays_ended(facts: list[Fact]) -> None:
    """No later event brings a session or a grant back."""
    accounts, before = Accounts(), dict[str, Account]()
    for fact in facts:
        accounts.apply(fact)
        for subject, now in accounts.by_subject.items():
            was = before.get(subject, now)
            assert was.sessions_after <= now.sessions_after <= fact.position
            assert was.grants_after <= now.grants_after <= now.sessions_after
        before = dict(accounts.by_subject)


@pytest.mark.parametrize(
    "event",
    [
        events.AccountPasswordSet(subject="nobody"),
        events.AccountDisabled(subject="nobody"),
        events.AccountEnabled(subject="nobody"),
        events.AccountSignedOut(subject="nobody"),
        events.TotpEnrolled(subject="nobody"),
        events.TotpRemoved(subject="nobody"),
        msgspec.structs.replace(PASSKEY, subject="nobody"),
        events.PasskeyRemoved(subject="nobody", credential_id="id"),
        events.RecoveryCodesSet(subject="nobody", digests=("a",)),
        events.RecoveryCodeUsed(subject="nobody", digest="a"),
        events.RoleGranted(subject="nobody", role="reader"),
        events.RoleWithdrawn(subject="nobody", role="reader"),
    ],
    ids=lambda event: event.TYPE,
)
def test_a_change_of_what_does_not_exist_is_poison(event: events.Event) -> None:
    """A fold raises on an event that makes no sense; it never passes it over."""
    with pytest.raises(KeyError):
        Accounts().apply(Fact(1, account_stream("nobody"), 1, event, MOMENT))

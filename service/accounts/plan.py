"""What a change of an account is, as events to append. Pure: no clock, no I/O, no randomness.

Each function takes what there is and the name as it was typed, and gives a plan of one step, or of none where it is so
already. All raise AccessError for what may not be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from projections.access_model import AccessModel
from projections.accounts import Account, Accounts
from schema.events import (
    AccountDisabled,
    AccountEnabled,
    AccountPasswordSet,
    AccountRegistered,
    AccountSignedOut,
    Event,
    PasskeyRemoved,
    RecoveryCodesSet,
    RoleGranted,
    RoleWithdrawn,
    TotpRemoved,
)
from schema.streams import account_stream
from service.access.errors import AccessRuleError, Mistake, NameTaken, NameUnknown
from service.access.plan import Action, Plan, Step
from service.access.wording import text_problem, unknown
from service.accounts.names import email_mistakes, known_as, name_mistakes
from service.accounts.strength import password_problem

_AS_IT_IS = Plan(())


class Directory(NamedTuple):
    """The accounts, and the access model whose roles they have, at one position."""

    access: AccessModel
    accounts: Accounts


class NewAccount(NamedTuple):
    """An account to be registered; without a password it cannot sign in by one."""

    subject: str
    name: str
    email: str | None = None
    roles: Sequence[str] = ()
    password: str | None = None


def known_account(directory: Directory, name: str) -> Account:
    """The account of a name. Raises NameUnknown."""
    account = directory.accounts.named(known_as(name))
    if account is None:
        raise NameUnknown("account", name)
    return account


def registration(directory: Directory, new: NewAccount) -> Plan:
    """The account, with its roles, and its password if it has one."""
    _allowed(_registration_mistakes(directory, new))
    name = known_as(new.name)
    if directory.accounts.named(name) is not None:
        raise NameTaken("account", name)
    registered = AccountRegistered(subject=new.subject, name=name, email=new.email)
    granted = (RoleGranted(subject=new.subject, role=role) for role in dict.fromkeys(new.roles))
    password = () if new.password is None else (AccountPasswordSet(subject=new.subject),)
    return _step(directory, "add", name, registered, *granted, *password)


def new_password(directory: Directory, name: str, password: str) -> Plan:
    """The account has a new password."""
    account = known_account(directory, name)
    _allowed(_password_mistakes(password, account.name, account.email))
    return _change(directory, account, AccountPasswordSet(subject=account.subject))


def disabling(directory: Directory, name: str, reason: str) -> Plan:
    """The account may not sign in."""
    _allowed(_reason_mistakes(reason))
    account = known_account(directory, name)
    disabled = AccountDisabled(subject=account.subject, reason=reason)
    return _change(directory, account, disabled) if account.enabled else _AS_IT_IS


def enabling(directory: Directory, name: str) -> Plan:
    """The account may sign in again."""
    account = known_account(directory, name)
    enabled = AccountEnabled(subject=account.subject)
    return _AS_IT_IS if account.enabled else _change(directory, account, enabled)


def signing_out(directory: Directory, name: str, reason: str) -> Plan:
    """Every session and grant of the account ends."""
    _allowed(_reason_mistakes(reason))
    account = known_account(directory, name)
    return _change(directory, account, AccountSignedOut(subject=account.subject, reason=reason))


def factors_reset(directory: Directory, name: str) -> Plan:
    """The account has neither authenticator app nor passkeys nor recovery codes."""
    account = known_account(directory, name)
    events = tuple(_factors_gone(account))
    return _change(directory, account, *events) if events else _AS_IT_IS


def grant(directory: Directory, name: str, role: str) -> Plan:
    """The account has the role."""
    account = known_account(directory, name)
    _known_role(directory, role)
    granted = RoleGranted(subject=account.subject, role=role)
    return _AS_IT_IS if role in account.roles else _change(directory, account, granted)


def withdrawal(directory: Directory, name: str, role: str) -> Plan:
    """The account does not have the role. A role that does not exist is told, for it may be a slip."""
    account = known_account(directory, name)
    _known_role(directory, role)
    withdrawn = RoleWithdrawn(subject=account.subject, role=role)
    return _change(directory, account, withdrawn) if role in account.roles else _AS_IT_IS


def _registration_mistakes(directory: Directory, new: NewAccount) -> Iterator[Mistake]:
    yield from name_mistakes(new.name)
    if new.email is not None:
        yield from email_mistakes(new.email)
    for index, role in enumerate(new.roles):
        if role not in directory.access.roles:
            yield Mistake(("roles", index), unknown(role, "no role", directory.access.roles))
    if new.password is not None:
        yield from _password_mistakes(new.password, new.name, new.email)


def _reason_mistakes(reason: str) -> Iterator[Mistake]:
    if problem := text_problem(reason):
        yield Mistake(("reason",), problem)


def _factors_gone(account: Account) -> Iterator[Event]:
    if account.has_totp:
        yield TotpRemoved(subject=account.subject)
    for passkey in account.passkeys:
        yield PasskeyRemoved(subject=account.subject, credential_id=passkey.credential_id)
    if account.recovery_digests:
        yield RecoveryCodesSet(subject=account.subject, digests=())


def _password_mistakes(password: str, name: str, email: str | None) -> Iterator[Mistake]:
    if problem := password_problem(password, name, email or ""):
        yield Mistake(("password",), problem)


def _known_role(directory: Directory, role: str) -> None:
    if role not in directory.access.roles:
        raise AccessRuleError([Mistake((), unknown(role, "no role", directory.access.roles))])


def _allowed(mistakes: Iterator[Mistake]) -> None:
    if found := tuple(mistakes):
        raise AccessRuleError(found)


def _change(directory: Directory, account: Account, *events: Event) -> Plan:
    return _step(directory, "change", account.name, *events)


def _step(directory: Directory, action: Action, name: str, *events: Event) -> Plan:
    stream = account_stream(name)
    return Plan((Step(action, "account", name, stream, directory.accounts.version_of(stream), events),))

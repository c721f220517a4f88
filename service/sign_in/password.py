"""Name and password: whose name it is, and whether the password is theirs; in the same time, whatever the answer."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from projections.accounts import Account
from service.accounts.passwords import Kept, PasswordsBusy
from service.accounts.text import NotAllowed, normal_name
from service.accounts.vault import kept_password
from service.endpoints.core import Core
from service.journal.port import JournalUnavailable
from service.sign_in.failure import NotProven

_LONGEST_NAME = 256
_LONGEST_PASSWORD = 1_024
"""No account has longer ones, and the normal form of a much longer text would take the loop's time."""

_NOBODY = str(UUID(int=0))

# The event of a change may be committed while its hash is not yet (docs/adr/0007-passwords-stay-in-the-vault.md). Both
# of these wait for such a change, and find nothing after it: the old password does not sign in behind its event.
_STILL = "SELECT 1 FROM vault.passwords WHERE subject = $1 AND hash = $2 FOR SHARE"
_REHASH = "UPDATE vault.passwords SET hash = $3 WHERE subject = $1 AND hash = $2 RETURNING 1"


class Named(NamedTuple):
    """Who was named: an account, or nobody. `key` is its subject, or the keyed digest of a name that is nobody's."""

    account: Account | None
    key: str

    @property
    def subject(self) -> str | None:
        """The subject of the account."""
        return self.key if self.account else None

    @property
    def name_digest(self) -> str | None:
        """The digest of the name that is nobody's; it may be a password, typed into the wrong field."""
        return None if self.account else self.key


def find_named(core: Core, name: str) -> Named:
    """The account of a name as it was typed; one that no account can have is nobody's."""
    try:
        normal = normal_name(name[:_LONGEST_NAME])
    except NotAllowed:
        normal = name
    account = core.state.accounts.named(normal)
    return Named(account, account.subject if account else core.digester.digest(f"name\0{normal}"))


async def proven(core: Core, account: Account | None, password: str) -> Account:
    """The account, if its password was given; which is kept by today's parameters from now on.

    Raises NotProven, or JournalUnavailable, also when too many passwords wait.
    """
    # Without an account, without a password and disabled: the same work is done, and takes as long.
    kept = await kept_password(core.journal, account.subject if account else _NOBODY)
    matches = await _verified(core, kept, password)
    if account is None:
        raise NotProven("unknown_name")
    if kept is None:
        raise NotProven("no_password")
    if not matches:
        raise NotProven("wrong_password")
    if not account.enabled:
        raise NotProven("account_disabled")
    if not await _still_holds(core, kept, password):
        raise NotProven("wrong_password")
    return account


async def _verified(core: Core, kept: Kept | None, password: str) -> bool:
    try:
        return await core.passwords.verify(kept, password if len(password) <= _LONGEST_PASSWORD else "")
    except PasswordsBusy:
        raise JournalUnavailable("too many passwords wait to be verified") from None


async def _still_holds(core: Core, kept: Kept, password: str) -> bool:
    """Whether the hash that was verified is still the account's; made anew where the parameters have changed.

    It stays the same password, so no event says anything of that.
    """
    subject = UUID(kept.subject)
    if core.passwords.needs_rehash(kept):
        try:
            fresh = await core.passwords.hash(kept.subject, password)
        except PasswordsBusy:
            pass  # the next sign-in makes it anew
        else:
            return bool(await core.journal.fetch(_REHASH, subject, kept.hash, fresh.hash))
    return bool(await core.journal.fetch(_STILL, subject, kept.hash))

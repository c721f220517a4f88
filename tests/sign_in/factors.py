"""Second factors of people in tests."""

from __future__ import annotations

import time
from base64 import b32encode

import pyotp

from schema.events import RecoveryCodesSet, TotpEnrolled
from service.accounts.passkeys import Passkeys
from service.accounts.recovery import code_digest, new_codes
from service.accounts.totp import new_secret
from service.endpoints.core import Core
from tests.authenticator import Authenticator
from tests.people import Person
from tests.sign_in.conftest import change

BROWSER = "a" * 22


async def enrol_totp(core: Core, person: Person) -> bytes:
    """Give somebody an authenticator app; returns its secret."""
    secret = new_secret()
    write = core.totp.keeping(person.subject, secret)
    await core.journal.fetch(write.statement, *write.arguments)
    await change(core, person, TotpEnrolled(subject=person.subject))
    return secret


def otp(secret: bytes) -> str:
    """The code of now."""
    return pyotp.TOTP(b32encode(secret).decode()).at(int(time.time()))


async def give_recovery_codes(core: Core, person: Person) -> tuple[str, ...]:
    """Give somebody recovery codes."""
    codes = new_codes()
    digests = [code_digest(core.digester, person.subject, code) for code in codes]
    event = RecoveryCodesSet(subject=person.subject, digests=tuple(digest for digest in digests if digest))
    await change(core, person, event)
    return codes


async def add_passkey(core: Core, person: Person) -> Authenticator:
    """Give somebody a passkey."""
    passkeys, authenticator = Passkeys(core.issuer, core.sealer), Authenticator(core.issuer)
    account = core.state.accounts.by_subject[person.subject]
    options, state = passkeys.creation_request(BROWSER, account)
    added = passkeys.created(BROWSER, state, authenticator.create(options), account, "key")
    assert added is not None
    await change(core, person, added)
    return authenticator

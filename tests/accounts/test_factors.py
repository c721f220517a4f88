from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pyotp
import pytest

from projections.accounts import Account
from schema.envelope import Context
from schema.events import Event, PasskeyAdded, RecoveryCodesSet, TotpEnrolled, TotpRemoved
from schema.streams import account_stream
from service.accounts.factors import Factors, amr_of
from service.accounts.passkeys import Passkeys
from service.accounts.recovery import code_digest, new_codes
from service.accounts.totp import new_secret, secret_text
from service.bootstrap import open_worker
from service.endpoints.core import Core
from service.journal.port import Append, JournalUnavailable
from service.settings import Settings
from tests.authenticator import Authenticator
from tests.conftest import ISSUER
from tests.people import register_person

BROWSER = "b" * 22
CONTEXT = Context(actor="account:x")


@pytest.fixture
async def other(settings: Settings, core: Core) -> AsyncIterator[Core]:
    """A second worker on the same database."""
    async with open_worker(settings) as running:
        yield running


async def change(core: Core, name: str, *events: Event) -> Account:
    """Append events of an account; returns it as it is then."""
    stream, accounts = account_stream(name), core.state.accounts
    appended = await core.journal.append(Append(stream, accounts.version_of(stream), events))
    await core.follower.settled(appended.last)
    return account_of(core, name)


def account_of(core: Core, name: str) -> Account:
    """The account of a name, as a worker knows it."""
    account = core.state.accounts.named(name)
    assert account is not None
    return account


async def with_totp(core: Core, name: str = "zoe") -> tuple[Account, pyotp.TOTP]:
    """A new account with an authenticator app, and the app."""
    person, secret = await register_person(core, name), new_secret()
    kept = core.totp.keeping(person.subject, secret)
    await core.journal.fetch(kept.statement, *kept.arguments)
    app = pyotp.TOTP(secret_text(secret).replace(" ", ""))
    return await change(core, name, TotpEnrolled(subject=person.subject)), app


async def with_codes(core: Core, name: str = "zoe") -> tuple[Account, tuple[str, ...]]:
    """A new account with recovery codes, and the codes."""
    person, codes = await register_person(core, name), new_codes()
    digests = tuple(str(code_digest(core.digester, person.subject, code)) for code in codes)
    return await change(core, name, RecoveryCodesSet(subject=person.subject, digests=digests)), codes


async def with_passkey(core: Core, name: str = "zoe") -> tuple[Account, Authenticator]:
    """A new account with a passkey, and the device."""
    await register_person(core, name)
    device, passkeys = Authenticator(ISSUER), Passkeys(ISSUER, core.sealer)
    options, state = passkeys.creation_request(BROWSER, account_of(core, name))
    added = passkeys.created(BROWSER, state, device.create(options), account_of(core, name), "phone")
    assert isinstance(added, PasskeyAdded)
    return await change(core, name, added), device


async def test_a_one_time_code_works_once(core: Core) -> None:
    """The code of now works, and not again while it is shown; the one before it still does."""
    account, app = await with_totp(core)
    now, factors = time.time(), Factors(core)
    assert [await factors.verify_otp(account, app.at(now)) for _ in range(2)] == [True, False]
    assert [await factors.verify_otp(account, app.at(now - 30)) for _ in range(2)] == [True, False]
    assert not await factors.verify_otp(account, "000000")


async def test_a_one_time_code_works_at_one_of_two_workers(core: Core, other: Core) -> None:
    """Whoever has seen it typed cannot use it at the worker next door, not even at the same moment."""
    account, app = await with_totp(core)
    await other.follower.refresh()
    code = app.now()
    outcomes = await asyncio.gather(*(Factors(each).verify_otp(account, code) for each in (core, other) * 4))
    assert sorted(outcomes) == [*[False] * 7, True]


async def test_a_code_is_of_one_account(core: Core) -> None:
    """Another person's app gives nothing, and what they used up is theirs."""
    zoe, app = await with_totp(core)
    other, other_app = await with_totp(core, "max")
    factors, now = Factors(core), time.time()
    assert not await factors.verify_otp(zoe, other_app.at(now))
    assert [
        await factors.verify_otp(other, other_app.at(now)),
        await factors.verify_otp(zoe, app.at(now)),
    ] == [True, True]


async def test_a_removed_app_gives_no_codes(core: Core) -> None:
    """What the events say counts, whatever the vault still holds."""
    account, app = await with_totp(core)
    account = await change(core, "zoe", TotpRemoved(subject=account.subject))
    assert not await Factors(core).verify_otp(account, app.now())


async def test_nothing_is_taken_that_cannot_be_used_up(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the journal does not answer, neither does the code."""
    account, app = await with_totp(core)

    async def fail(*_: object) -> None:
        raise JournalUnavailable("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(core.journal, "append", fail)
        with pytest.raises(JournalUnavailable):
            await Factors(core).verify_otp(account, app.now())
    assert await Factors(core).verify_otp(account, app.now())


async def test_a_recovery_code_works_once(core: Core) -> None:
    """Each of them, however it is typed; the person is the event's actor, and the code is not in it."""
    account, codes = await with_codes(core)
    factors = Factors(core)
    assert await factors.use_recovery_code(account, codes[0].lower().replace("-", " "), CONTEXT)
    assert not await factors.use_recovery_code(account_of(core, "zoe"), codes[0], CONTEXT)
    assert not await factors.use_recovery_code(account, codes[0], CONTEXT)
    assert await factors.use_recovery_code(account, codes[1], CONTEXT)
    assert len(account_of(core, "zoe").recovery_digests) == 8
    recorded = await core.journal.read(0, 100)
    actor = f"account:{account.subject}"
    assert [actor] * 2 == [each.actor for each in recorded if each.type == "account.recovery_code_used"]
    assert [code for code in codes if any(code in each.data for each in recorded)] == []


async def test_a_recovery_code_works_at_one_of_two_workers(core: Core, other: Core) -> None:
    """At the same moment, eight times: one wins; every other code is still good."""
    account, codes = await with_codes(core)
    await other.follower.refresh()
    attempts = (Factors(each).use_recovery_code(account, codes[0], CONTEXT) for each in (core, other) * 4)
    assert sorted(await asyncio.gather(*attempts)) == [*[False] * 7, True]
    both = (
        Factors(each).use_recovery_code(account, code, CONTEXT) for each, code in ((core, codes[1]), (other, codes[2]))
    )
    assert await asyncio.gather(*both) == [True, True]


async def test_a_recovery_code_is_of_one_account(core: Core) -> None:
    """Another person's code, one that never was, and one that was replaced."""
    zoe, codes = await with_codes(core)
    other, _ = await with_codes(core, "max")
    factors = Factors(core)
    assert not await factors.use_recovery_code(other, codes[0], CONTEXT)
    assert not await factors.use_recovery_code(zoe, new_codes()[0], CONTEXT)
    assert not await factors.use_recovery_code(zoe, "", CONTEXT)
    await change(core, "zoe", RecoveryCodesSet(subject=zoe.subject, digests=()))
    assert not await factors.use_recovery_code(zoe, codes[0], CONTEXT)


async def test_a_passkeys_answer_works_once(core: Core, other: Core) -> None:
    """The same answer is refused at every worker; a new one is taken."""
    account, device = await with_passkey(core)
    await other.follower.refresh()
    for _ in range(2):
        options, state = Factors(core).passkey_request(BROWSER)
        answer = device.get(options)
        outcomes = await asyncio.gather(
            *(Factors(each).verify_passkey(BROWSER, state, answer) for each in (core, other) * 3)
        )
        (verified,) = [each for each in outcomes if each is not None]
        assert (account.subject, device.id, ("pop", "user")) == (*verified[:2], amr_of(verified))


async def test_another_browser_cannot_use_an_answer(core: Core) -> None:
    """Who steals state and answer on their way has nothing; the browser that was asked still has it."""
    _, device = await with_passkey(core)
    factors = Factors(core)
    options, state = factors.passkey_request(BROWSER)
    answer = device.get(options)
    assert await factors.verify_passkey("o" * 22, state, answer) is None
    assert await factors.verify_passkey(BROWSER, "x" + state, answer) is None
    assert await factors.verify_passkey(BROWSER, state, answer) is not None


async def test_what_a_person_may_prove_themselves_by(core: Core) -> None:
    """Nothing where the password is enough; recovery codes stand in for another factor and are none by themselves."""
    factors = Factors(core)
    plain, _ = await with_codes(core, "max")
    assert (factors.methods(plain), factors.methods((await with_passkey(core, "eve"))[0])) == ((), ("passkey",))
    account, _ = await with_totp(core)
    assert factors.methods(account) == ("otp",)
    account = await change(core, "zoe", RecoveryCodesSet(subject=account.subject, digests=("x",)))
    assert factors.methods(account) == ("otp", "recovery")


async def test_the_vault_keeps_no_secret_in_the_clear(core: Core) -> None:
    """What is in the database does not open without the master key, nor in another account's row."""
    account, app = await with_totp(core)
    secret = await core.totp.get(account.subject)
    assert secret_text(secret or b"").replace(" ", "") == app.secret
    (row,) = await core.journal.fetch("SELECT wrapped FROM vault.totp")
    assert (secret or b"") not in row["wrapped"]
    assert await core.totp.get("00000000-0000-4000-8000-000000000000") is None

from __future__ import annotations

import msgspec
import pytest

from schema.events import AccountDisabled, PasskeyRemoved
from service.bootstrap import open_worker
from service.browser.cookies import BROWSER, SESSION
from service.settings import Settings
from tests.authenticator import USER_PRESENT, Authenticator
from tests.people import Person
from tests.sign_in.conftest import Answer, Door, change, door_at, sealed
from tests.sign_in.factors import add_passkey, enrol_totp
from tests.sign_in.test_second_factor import PASSKEY, options_of


async def use(door: Door, authenticator: Authenticator, request: str = "") -> Answer:
    """Sign in with a passkey, without name and password."""
    page = await door.get("/sign-in", request=request)
    return await door.submit(page.page, PASSKEY, credential=authenticator.get(options_of(page)))


async def test_a_passkey_signs_in_alone(door: Door, zoe: Person) -> None:
    """One that verified its user is two factors, whatever else the account has."""
    await enrol_totp(door.core, zoe)
    authenticator = await add_passkey(door.core, zoe)
    answer = await use(door, authenticator, sealed(door.core))
    assert answer.page.headers["location"] == "/somewhere?a=b"
    assert (answer.event["subject"], answer.event["amr"]) == (zoe.subject, ["pop", "user"])
    assert answer.event["acr"] == "phr"


async def test_a_passkey_that_did_not_verify_its_user_does_not(door: Door, zoe: Person) -> None:
    """Possession alone is one factor, and less than a password."""
    authenticator = await add_passkey(door.core, zoe)
    authenticator.flags = USER_PRESENT
    answer = await use(door, authenticator)
    assert (answer.page.status, answer.event["method"]) == (400, "passkey")
    assert "That passkey did not work." in answer.problem
    first = await door.sign_in("zoe")
    form = first.page.form(PASSKEY).fields
    del form["state"]
    answer = await door.post(PASSKEY, form | {"credential": authenticator.get(options_of(first))})
    assert (answer.page.status, answer.event["reason"]) == (400, "user_not_verified")


async def test_an_answer_works_once(door: Door, second: Door, zoe: Person) -> None:
    """What was overheard signs nobody in, at no worker."""
    authenticator = await add_passkey(door.core, zoe)
    page = await door.get("/sign-in")
    fields = page.page.form(PASSKEY).fields | {"credential": authenticator.get(options_of(page))}
    assert (await door.post(PASSKEY, fields)).page.status == 303
    for thief in (door, second):
        thief.browser.cookies.pop(SESSION, None)
        thief.browser.cookies[BROWSER] = door.browser.cookies[BROWSER]
        assert (await thief.post(PASSKEY, fields)).event["reason"] == "wrong_passkey"


async def test_a_passkey_of_a_disabled_account_does_not_sign_in(door: Door, zoe: Person) -> None:
    """And what it is told is what it is told of any that does not work."""
    authenticator = await add_passkey(door.core, zoe)
    await change(door.core, zoe, AccountDisabled(subject=zoe.subject))
    answer = await use(door, authenticator)
    assert (answer.page.status, answer.event["reason"]) == (400, "account_disabled")
    unknown = await use(door, Authenticator(door.core.issuer))
    assert (unknown.page.status, unknown.event["reason"]) == (400, "wrong_passkey")
    assert answer.problem == unknown.problem


async def test_a_passkey_that_was_removed_works_no_more(door: Door, zoe: Person) -> None:
    """At any worker."""
    authenticator = await add_passkey(door.core, zoe)
    await change(door.core, zoe, PasskeyRemoved(subject=zoe.subject, credential_id=authenticator.id))
    assert (await use(door, authenticator)).event["reason"] == "wrong_passkey"


async def test_nobody_is_locked_out_of_their_passkey(door: Door, zoe: Person) -> None:
    """While account and source are throttled for guesses at passwords its passkey signs in, alone or as a second
    factor.
    """
    authenticator = await add_passkey(door.core, zoe)
    async with door_at(door.core, "10.0.0.9") as attacker, door_at(door.core, "10.0.0.8") as noisy:
        first = await noisy.sign_in("zoe")
        for _ in range(door.core.settings.login_failures_per_account):
            await attacker.sign_in("zoe", "not it at all")
        assert (await attacker.sign_in("zoe")).page.status == 429
        for number in range(door.core.settings.login_failures_per_source):
            await noisy.sign_in(f"nobody-{number}", "not it at all")
        assert (await noisy.sign_in("yan")).event["detail"] == "source 10.0.0.8"
        second = await noisy.submit(first.page, PASSKEY, credential=authenticator.get(options_of(first)))
        assert second.page.status == 303
        assert (await use(noisy, authenticator, sealed(door.core))).page.status == 303


async def test_passkeys_that_fail_hold_nobody_up(door: Door, zoe: Person) -> None:
    """Nobody can guess one, so it does not matter how many are tried."""
    for _ in range(door.core.settings.login_failures_per_source):
        assert (await use(door, Authenticator(door.core.issuer))).event["reason"] == "wrong_passkey"
    assert (await door.sign_in("zoe")).page.status == 303


@pytest.mark.parametrize("issuer", ["https://192.0.2.1", "http://auth.example.com"])
async def test_a_second_factor_that_cannot_be_used_here_is_not_left_out(
    settings: Settings, door: Door, zoe: Person, issuer: str
) -> None:
    """Where the issuer's address allows no passkeys, an account that has nothing else does not sign in by less."""
    await add_passkey(door.core, zoe)
    async with open_worker(msgspec.structs.replace(settings, issuer=issuer)) as core, door_at(core) as other:
        answer = await other.sign_in("zoe")
        assert (answer.page.status, answer.event["reason"]) == (400, "no_usable_factor")
        assert "passkey" not in (await other.get("/sign-in")).page.text.lower()

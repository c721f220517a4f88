from __future__ import annotations

import asyncio
import html
import json

import msgspec
import pytest

from schema.events import AccountDisabled, AccountPasswordSet, AccountSignedOut, Event
from service.sign_in import first_factor
from service.sign_in.first_factor import FirstFactor
from tests.authenticator import USER_PRESENT
from tests.people import Person, register_person
from tests.sign_in.conftest import PASSWORD, Answer, Door, change, door_at, sealed
from tests.sign_in.factors import add_passkey, enrol_totp, give_recovery_codes, otp

CODES, PASSKEY = "/sign-in/second-factor", "/sign-in/passkey"


def options_of(answer: Answer) -> str:
    """What a page's passkey form asks the browser for."""
    return html.unescape(answer.page.text.partition('data-options="')[2].partition('"')[0])


async def test_a_password_alone_does_not_sign_in(door: Door, zoe: Person) -> None:
    """Where the account has an authenticator app the next page asks for its code, and there is no session yet."""
    await enrol_totp(door.core, zoe)
    answer = await door.sign_in("zoe", request=sealed(door.core, client_name="The Shop"))
    assert (answer.page.status, answer.events, door.cookie) == (200, [], "")
    assert "The Shop" in answer.page.text
    assert [form.fields["method"] for form in answer.page.forms] == ["otp"]
    assert await door.whose() == ""


async def test_the_code_of_the_app_signs_in(door: Door, zoe: Person) -> None:
    """As two factors, and on to where the request says."""
    secret = await enrol_totp(door.core, zoe)
    first = await door.sign_in("zoe", request=sealed(door.core))
    answer = await door.submit(first.page, CODES, code=otp(secret))
    assert answer.page.headers["location"] == "/somewhere?a=b"
    assert (answer.event["amr"], answer.event["acr"]) == (["pwd", "otp"], "2fa")
    assert answer.types == ["session.started"]


async def test_a_code_works_once(door: Door, second: Door, zoe: Person) -> None:
    """Who looked over the shoulder cannot sign in with it, at whatever worker, though they have the password too."""
    secret = await enrol_totp(door.core, zoe)
    code = otp(secret)
    first = await door.sign_in("zoe")
    assert (await door.submit(first.page, CODES, code=code)).page.status == 303
    for thief in (door, second):
        thief.browser.cookies.clear()
        answer = await thief.submit((await thief.sign_in("zoe")).page, CODES, code=code)
        assert (answer.page.status, answer.event["reason"], answer.event["method"]) == (400, "wrong_code", "otp")


async def test_a_code_at_many_browsers_at_once_works_once(door: Door, second: Door, zoe: Person) -> None:
    """Of those that use one code at the same moment one signs in."""
    secret = await enrol_totp(door.core, zoe)
    pages = [(each, (await each.sign_in("zoe")).page) for each in (door, second)]
    code = otp(secret)
    sending = [each.browser.submit(page.form(CODES), code=code) for each, page in pages for _ in range(3)]
    assert sorted(answer.status for answer in await asyncio.gather(*sending)) == [303, 400, 400, 400, 400, 400]


async def test_a_recovery_code_signs_in_once(door: Door, zoe: Person) -> None:
    """However it is typed; and never again."""
    await enrol_totp(door.core, zoe)
    code = (await give_recovery_codes(door.core, zoe))[0]
    first = await door.sign_in("zoe")
    assert [form.fields["method"] for form in first.page.forms] == ["otp", "recovery"]
    answer = await door.submit(first.page, CODES, method="recovery", code=code.lower().replace("-", " "))
    assert answer.types == ["account.recovery_code_used", "session.started"]
    assert json.loads(answer.events[-1].data)["amr"] == ["pwd", "recovery"]
    door.browser.cookies.clear()
    again = await door.submit((await door.sign_in("zoe")).page, CODES, method="recovery", code=code)
    assert (again.page.status, again.event["reason"], again.event["method"]) == (400, "wrong_code", "recovery")


async def test_a_wrong_code_may_be_tried_again(door: Door, zoe: Person) -> None:
    """The page comes once more and says so; the password need not be typed again."""
    secret = await enrol_totp(door.core, zoe)
    first = await door.sign_in("zoe")
    wrong = await door.submit(first.page, CODES, code="000000")
    assert (wrong.page.status, wrong.event["subject"]) == (400, zoe.subject)
    assert wrong.problem == "That code did not work. Each works once: please try the next one."
    assert (await door.submit(wrong.page, CODES, code=otp(secret))).page.status == 303


async def test_wrong_codes_count_for_the_account(door: Door, zoe: Person) -> None:
    """Who has the password gets as many guesses at the code as at the password, together."""
    secret = await enrol_totp(door.core, zoe)
    await door.sign_in("zoe", "not it at all")
    page = (await door.sign_in("zoe")).page
    limit = door.core.settings.login_failures_per_account
    codes = [f"{number:06}" for number in range(limit - 1)]
    for code in codes:
        assert (await door.submit(page, CODES, code=code)).page.status == 400
    assert (await door.submit(page, CODES, code=otp(secret))).event["reason"] == "login_throttled"
    assert (await door.sign_in("zoe")).event["reason"] == "login_throttled"


async def test_many_codes_at_once_get_no_further(door: Door, zoe: Person) -> None:
    """Guesses at the same moment are throttled as those one after the other are."""
    await enrol_totp(door.core, zoe)
    form = (await door.sign_in("zoe")).page.form(CODES)
    sending = [door.browser.submit(form, code=f"{number:06}") for number in range(100)]
    statuses = [page.status for page in await asyncio.gather(*sending)]
    assert (statuses.count(400), statuses.count(429)) == (10, 90)


async def test_the_first_factor_is_worth_nothing_at_another_browser(door: Door, zoe: Person) -> None:
    """Who gets hold of the sealed text has not got the first factor."""
    secret = await enrol_totp(door.core, zoe)
    state = (await door.sign_in("zoe")).page.form(CODES).fields["state"]
    async with door_at(door.core) as thief:
        form = (await thief.browser.get("/sign-in")).form("/sign-in")
        fields = {"csrf": form.fields["csrf"], "state": state, "method": "otp", "code": otp(secret)}
        answer = await thief.post(CODES, fields)
        assert (answer.page.status, answer.event["reason"]) == (400, "first_factor_of_other_browser")


async def test_the_first_factor_does_not_last(door: Door, zoe: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """After five minutes the password has to be typed again."""
    secret = await enrol_totp(door.core, zoe)
    assert first_factor.LIFETIME == 300
    monkeypatch.setattr(first_factor, "LIFETIME", 0)
    page = (await door.sign_in("zoe")).page
    assert (await door.submit(page, CODES, code=otp(secret))).event["reason"] == "bad_first_factor"


@pytest.mark.parametrize("kind", [AccountPasswordSet, AccountSignedOut, AccountDisabled])
async def test_the_first_factor_ends_with_what_it_proved(door: Door, zoe: Person, kind: type[Event]) -> None:
    """A password that was changed since, or an account signed out or disabled, has no first factor left."""
    secret = await enrol_totp(door.core, zoe)
    page = (await door.sign_in("zoe")).page
    await change(door.core, zoe, kind(subject=zoe.subject))
    answer = await door.submit(page, CODES, code=otp(secret))
    assert (answer.page.status, answer.event["reason"]) == (400, "first_factor_overtaken")


async def test_the_first_factor_cannot_be_made_up(door: Door, zoe: Person) -> None:
    """Not by changing a letter, and not by sealing the same for another use."""
    secret = await enrol_totp(door.core, zoe)
    page = (await door.sign_in("zoe")).page
    state = page.form(CODES).fields["state"]

    class Other(FirstFactor, frozen=True, kw_only=True):
        pass

    first = door.core.sealer.open(FirstFactor, state)
    other = door.core.sealer.seal(Other(**msgspec.structs.asdict(first)), 60)
    for forged in (state[:-2] + "AA", other, "x"):
        assert (await door.submit(page, CODES, state=forged, code=otp(secret))).event["reason"] == "bad_first_factor"


async def test_there_are_two_methods_of_codes(door: Door, zoe: Person) -> None:
    """Any other is refused."""
    await enrol_totp(door.core, zoe)
    page = (await door.sign_in("zoe")).page
    answer = await door.post(CODES, page.form(CODES).fields | {"method": "pwd", "code": "123456"})
    assert answer.event["reason"] == "unknown_factor"


async def test_a_passkey_is_a_second_factor(door: Door, zoe: Person) -> None:
    """One that is only there, without asking for a PIN, is possession; after the password that is two factors."""
    authenticator = await add_passkey(door.core, zoe)
    authenticator.flags = USER_PRESENT
    first = await door.sign_in("zoe")
    answer = await door.submit(first.page, PASSKEY, credential=authenticator.get(options_of(first)))
    assert (answer.event["amr"], answer.event["acr"]) == (["pwd", "pop"], "2fa")
    door.browser.cookies.clear()
    authenticator.flags |= 4
    first = await door.sign_in("zoe")
    answer = await door.submit(first.page, PASSKEY, credential=authenticator.get(options_of(first)))
    assert (answer.event["amr"], answer.event["acr"]) == (["pwd", "pop", "user"], "phr")


async def test_another_persons_passkey_is_no_second_factor(door: Door, zoe: Person) -> None:
    """With it somebody signs in as themselves, and never as whose password they typed."""
    await add_passkey(door.core, zoe)
    mallory = await register_person(door.core, "mallory", password=PASSWORD)
    own = await add_passkey(door.core, mallory)
    first = await door.sign_in("zoe")
    alone = await door.get("/sign-in")
    form = alone.page.form(PASSKEY).fields
    fields = {"passkey_state": form["passkey_state"], "credential": own.get(options_of(alone))}
    answer = await door.submit(first.page, PASSKEY, **fields)
    assert (answer.page.status, answer.event["reason"]) == (400, "wrong_passkey")
    assert (answer.event["subject"], answer.event["method"]) == (zoe.subject, "passkey")
    assert "That passkey did not work." in answer.problem


async def test_opening_the_address_by_hand_begins_anew(door: Door) -> None:
    """Reloading a page that was the answer to a form leads to the first page, and is nothing to journal."""
    for path in (CODES, PASSKEY):
        answer = await door.get(path)
        assert (answer.page.status, answer.page.headers["location"]) == (303, "/sign-in")

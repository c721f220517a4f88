from __future__ import annotations

import time

from service.account_page.security import NOTICES
from service.accounts.factors import Factors
from service.browser.cookies import BROWSER
from tests.account_page.security.desk import (
    Desk,
    add_totp,
    asked_to_sign_in,
    begin,
    notice,
    problem,
)
from tests.people import register_person, signed_in


async def test_an_app_is_added_by_a_code_and_removed(desk: Desk) -> None:
    """It proves itself by a code, which is used up by that; removed, its secret is forgotten."""
    page, app = await begin(desk)
    now = time.time()
    assert notice(await desk.browser.submit(page.form("/account/totp"), code=app.at(now))) == "totp_added"
    codes = [await Factors(desk.core).verify_otp(desk.account, app.at(moment)) for moment in (now, now - 30)]
    assert (desk.account.has_totp, codes) == (True, [False, True])
    assert NOTICES["totp_added"] in (await desk.browser.get("/account", done="totp_added")).text
    assert notice(await desk.submit("/account/totp", "remove")) == "totp_removed"
    assert (desk.account.has_totp, await desk.core.totp.get(desk.person.subject)) == (False, None)
    again = await desk.browser.post(
        "/account/totp", {"action": "remove", "csrf": (await begin(desk))[0].form().fields["csrf"]}
    )
    assert (problem(again) != "", await desk.reasons()) == (True, ["no_totp"])


async def test_the_picture_says_what_the_text_says(desk: Desk) -> None:
    """The page has an SVG picture that a strict policy lets be, and the secret in words."""
    page, app = await begin(desk)
    assert len(app.secret) == 32
    assert 'src="data:image/svg+xml;base64,' in page.text
    assert "img-src 'self' data:" in page.headers["content-security-policy"]


async def test_a_wrong_code_adds_nothing(desk: Desk) -> None:
    """The page comes again with the same secret, and a right code is taken then."""
    page, app = await begin(desk)
    wrong = await desk.browser.submit(page.form("/account/totp"), code="000000")
    assert "is not the code" in problem(wrong)
    assert (desk.account.has_totp, await desk.reasons()) == (False, ["wrong_otp"])
    assert app.secret in wrong.text.replace(" ", "")
    assert notice(await desk.browser.submit(wrong.form("/account/totp"), code=app.now())) == "totp_added"


async def test_a_code_that_was_used_adds_nothing(desk: Desk) -> None:
    """The code that added an app once does not add it again."""
    page, app = await begin(desk)
    code = app.now()
    await desk.browser.submit(page.form("/account/totp"), code=code)
    await desk.submit("/account/totp", "remove")
    assert "is not the code" in problem(await desk.browser.submit(page.form("/account/totp"), code=code))
    assert (desk.account.has_totp, await desk.core.totp.get(desk.person.subject)) == (False, None)


async def test_an_app_is_added_where_it_was_shown(desk: Desk) -> None:
    """Its page works neither in another browser, nor for another person, nor when it is not ours."""
    page, app = await begin(desk)
    form = page.form("/account/totp")
    other = await desk.again(("pwd",))
    max_ = await register_person(desk.core, "max")
    someone = desk._replace(person=max_, browser=await signed_in(desk.core, desk.http, max_))
    someone.browser.cookies[BROWSER] = desk.browser.cookies[BROWSER]
    for elsewhere in (other, someone):
        csrf = (await begin(elsewhere))[0].form("/account/totp").fields["csrf"]
        assert "out of date" in problem(await elsewhere.browser.submit(form, code=app.now(), csrf=csrf))
    assert "out of date" in problem(await desk.browser.submit(form, code=app.now(), state="x" + form.fields["state"]))
    assert await desk.reasons() == ["stale_form"] * 3
    assert notice(await desk.browser.submit(form, code=app.now())) == "totp_added"


async def test_adding_an_app_makes_this_session_strong(desk: Desk) -> None:
    """Who has just used it here need not sign in again to make recovery codes; every other browser must."""
    other = await desk.again(("pwd",))
    await add_totp(desk)
    assert (await desk.submit("/account/recovery-codes")).status == 200
    page = await other.submit("/account/totp", "remove")
    request = asked_to_sign_in(desk, page)
    assert (request.name, request.acr, request.return_to) == ("zoe", "2fa", "/account")
    assert desk.account.has_totp

"""`prompt`, `max_age`, `acr_values` and `id_token_hint`, from the client's side."""

from __future__ import annotations

import json
import time

import pytest

from schema.events import TotpEnrolled
from schema.streams import account_stream
from tests.authorize.scene import Scene, id_token
from tests.people import signed_in

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_silent_request(scene: Scene) -> None:
    """Under `prompt=none` nobody is shown a page: the answer is a code, or an error that says what is missing."""
    scene.check_told(await scene.ask(scene.stranger(), prompt="none"), "login_required", "not_signed_in")
    browser = await scene.visitor()
    scene.check_told(await scene.ask(browser, prompt="none"), "consent_required", "consent_needed")
    await scene.code(browser)
    assert (await scene.ask(browser, prompt="none")).types == ["authorization.granted"]
    posted = await scene.ask(browser, method="POST", prompt="none")
    assert (await scene.see(browser.follow(posted.page))).types == ["authorization.granted"]


@pytest.mark.parametrize("how", [{"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "0"}])
async def test_sign_in_once_more(scene: Scene, how: dict[str, str]) -> None:
    """Who is signed in, be it since this very second, must sign in again; then it goes on, and no further."""
    person = await scene.person()
    browser = await scene.visitor(person)
    await scene.code(browser)
    request = scene.sign_in(await scene.ask(browser, **how))
    assert ("" if how == {"prompt": "select_account"} else person.name) == request.name
    # Not having done so leads to the same page again.
    assert "/sign-in?" in (await browser.get(request.return_to)).location
    await signed_in(scene.core, scene.http, person, browser=browser)
    seen = await scene.see(browser.get(request.return_to))
    assert (seen.page.status, seen.types) == (303, ["authorization.granted"])


async def test_old_enough_sign_in(scene: Scene) -> None:
    """`max_age` looks at when the person signed in, and the grant says when that was."""
    person = await scene.person()
    then = int(time.time()) - 100
    browser = await scene.visitor(person, auth_time=then)
    await scene.code(browser)
    scene.sign_in(await scene.ask(browser, max_age="90"))
    scene.check_told(await scene.ask(browser, max_age="90", prompt="none"), "login_required", "sign_in_too_old")
    assert then == (await scene.ask(browser, max_age="300")).data("authorization.granted")["auth_time"]


async def test_stronger_sign_in(scene: Scene) -> None:
    """A class that the account can have is asked for; who comes back without it goes on if it was a wish, and not if
    it was a must.
    """
    person = await scene.person()
    await scene.append(account_stream(person.name), TotpEnrolled(subject=person.subject), version=1)
    browser = await scene.visitor(person)
    await scene.code(browser)
    wish = scene.sign_in(await scene.ask(browser, acr_values="phr 2fa"))
    must = scene.sign_in(
        await scene.ask(browser, claims=json.dumps({"id_token": {"acr": {"essential": True, "value": "2fa"}}}))
    )
    assert (wish.acr, must.acr) == ("2fa", "2fa")
    await signed_in(scene.core, scene.http, person, browser=browser)
    assert (await scene.see(browser.get(wish.return_to))).data("authorization.granted")["acr"] == "1fa"
    seen = await scene.see(browser.get(must.return_to))
    scene.check_told(seen, "unmet_authentication_requirements", "acr_not_had")
    await signed_in(scene.core, scene.http, person, ("pwd", "otp"), browser=browser)
    granted = (await scene.see(browser.get(must.return_to))).data("authorization.granted")
    assert (granted["acr"], granted["amr"]) == ("2fa", ["pwd", "otp"])


async def test_hinted_person(scene: Scene) -> None:
    """The person of an ID token goes on, long after it expired; for anybody else it is theirs to sign in."""
    person, other = await scene.person(), await scene.person()
    browser = await scene.visitor(person)
    await scene.code(browser)
    old = await id_token(scene, person, now=1_000_000_000)
    assert (await scene.ask(browser, id_token_hint=old, prompt="none")).types == ["authorization.granted"]
    hint = await id_token(scene, other)
    silent = await scene.ask(browser, id_token_hint=hint, prompt="none")
    scene.check_told(silent, "login_required", "other_person_signed_in")
    request = scene.sign_in(await scene.ask(browser, id_token_hint=hint))
    assert request.name == ""
    await signed_in(scene.core, scene.http, person, browser=browser)
    seen = await scene.see(browser.get(request.return_to))
    scene.check_told(seen, "login_required", "other_person_signed_in")
    await signed_in(scene.core, scene.http, other, browser=browser)
    assert (await browser.get(request.return_to)).status == 200


async def test_hint_of_another_client(scene: Scene) -> None:
    """An ID token is a hint of the client that it was issued to."""
    hint = await id_token(scene, await scene.person(), "house-app")
    seen = await scene.ask(await scene.visitor(), id_token_hint=hint)
    scene.check_told(seen, "invalid_request", "hint_of_other_client")


async def test_pairwise_subjects_are_hinted_at_as_the_client_knows_them(scene: Scene) -> None:
    """By ID token or by the `claims` parameter."""
    client = await scene.client(subject_type="pairwise")
    person = await scene.person()
    browser = await scene.visitor(person)
    await scene.code(browser, client_id=client)
    hint = await id_token(scene, person, client)
    known_as = scene.core.subjects.of(scene.known(client), person.subject)
    assert person.subject != known_as
    by_value = {"prompt": "none", "client_id": client}
    assert (await scene.ask(browser, **by_value, id_token_hint=hint)).types == ["authorization.granted"]
    for subject, told in ((known_as, None), (person.subject, "login_required")):
        claims = json.dumps({"id_token": {"sub": {"value": subject}}})
        assert told == (await scene.ask(browser, **by_value, claims=claims)).answer.get("error")

"""What a person is asked, and what the grant has of it: scopes, APIs, claims."""

from __future__ import annotations

import json

import pytest

from tests.authorize.scene import PAYMENTS, PRIVATE, USERS, Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_what_was_allowed_is_not_asked_again(scene: Scene) -> None:
    """The second time the browser goes straight through, by one event; something new is asked, and marked."""
    browser = await scene.visitor()
    await scene.code(browser)
    again = await scene.ask(browser)
    assert (again.page.status, again.types) == (303, ["authorization.granted"])
    more = await scene.ask(browser, scope="openid read:users pay")
    assert more.page.status == 200
    assert more.page.text.count('class="new"') == 1
    assert (await scene.decide(browser, more.page, "allow")).data("consent.granted")["scopes"] == ["pay"]


async def test_consent_page_says_what_is_asked(scene: Scene) -> None:
    """The client, where the answer goes, who is asked, each scope in words under its API; its form leads to the
    client's origin and nowhere else.
    """
    person = await scene.person(roles=("admin",))
    browser = await scene.visitor(person)
    page = (await scene.ask(browser, scope="openid email read:users write:users pay")).page
    for text in ("Web App", "app.example.com", person.name, "Know who you are here", "See your email address"):
        assert text in page.text
    for text in (USERS, "Read all users", "Change &lt;b&gt;any&lt;/b&gt; user", PAYMENTS, "Pay for you"):
        assert text in page.text
    assert "Refund" not in page.text
    assert "form-action 'self' https://app.example.com;" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"


async def test_own_application_needs_no_consent(scene: Scene) -> None:
    """A first-party client gets its code at once, and nothing is recorded as allowed; `prompt=consent` asks all the
    same.
    """
    person = await scene.person()
    browser = await scene.visitor(person)
    seen = await scene.ask(browser, client_id="house-app", scope="openid offline_access")
    assert (seen.page.status, seen.types) == (303, ["authorization.granted"])
    assert frozenset() == scene.core.state.consents.scopes(person.subject, "house-app")
    assert (await scene.ask(browser, client_id="house-app", prompt="consent")).page.status == 200


async def test_role_governed_scope_takes_the_role(scene: Scene) -> None:
    """Who has no role for it is not asked for it, and does not give it; who has one does."""
    plain = await scene.visitor()
    asked = await scene.ask(plain, scope="openid read:users write:users")
    assert "write:users" not in asked.page.text
    allowed = await scene.decide(plain, asked.page, "allow")
    assert allowed.data("authorization.granted")["scope"] == "openid read:users"
    admin = await scene.visitor(await scene.person(roles=("admin",)))
    granted = (await scene.code(admin, scope="openid read:users write:users")).data("authorization.granted")
    assert granted["scope"] == "openid read:users write:users"


async def test_nothing_that_the_person_could_give(scene: Scene) -> None:
    """The client is told access_denied where no scope is left, whatever it may keep while they are away."""
    browser = await scene.visitor()
    seen = await scene.ask(browser, scope="write:users offline_access")
    scene.check_told(seen, "access_denied", "no_scope_of_person")


async def test_api_of_which_nothing_is_left_is_left_out(scene: Scene) -> None:
    """A grant names no API at which the person can give nothing of what was asked."""
    granted = (await scene.code(await scene.visitor(), scope="openid write:users pay")).data("authorization.granted")
    assert (granted["resources"], granted["scope"]) == ([PAYMENTS], "openid pay")


async def test_resources_are_those_named(scene: Scene) -> None:
    """`resource` may be repeated (RFC 8707 section 2), and one that is named stays."""
    seen = await scene.code(await scene.visitor(), scope="openid pay", resource=[USERS, PAYMENTS])
    assert seen.data("authorization.granted")["resources"] == [USERS, PAYMENTS]


async def test_offline_access(scene: Scene) -> None:
    """It is asked for in words where it is new; a client without refresh tokens does not get it, nor an error."""
    browser = await scene.visitor()
    await scene.code(browser)
    asked = await scene.ask(browser, scope="openid read:users offline_access")
    assert "Keep this access while you are away" in asked.page.text
    client = await scene.client(grants=("authorization_code",))
    granted = await scene.code(browser, client_id=client, scope="openid offline_access")
    assert granted.data("authorization.granted")["scope"] == "openid"


async def test_claims_by_name(scene: Scene) -> None:
    """Claims of the `claims` parameter are kept by name, as far as the client may ask for their scope; the person is
    asked for that scope, which the grant has not.
    """
    browser = await scene.visitor()
    await scene.code(browser)
    claims = {
        "userinfo": {"email": {"essential": True}, "roles": None, "shoe_size": None},
        "id_token": {"name": None, "email": None},
        "other": [1],
    }
    asked = await scene.ask(browser, claims=json.dumps(claims))
    assert "See your email address" in asked.page.text
    assert "See your roles" not in asked.page.text
    allowed = await scene.decide(browser, asked.page, "allow")
    assert allowed.data("consent.granted")["scopes"] == ["email", "profile"]
    granted = allowed.data("authorization.granted")
    assert granted["scope"] == "openid read:users"
    assert (granted["id_token_claims"], granted["userinfo_claims"]) == (["name", "email"], ["email"])


async def test_native_app_gets_nothing_unseen(scene: Scene) -> None:
    """Another app may pass for one that cannot prove what it is: it is asked for each time (RFC 8252 section 8.6),
    unless the operator calls it their own.
    """
    browser = await scene.visitor()
    asked = {"client_id": "native-app", "redirect_uri": PRIVATE}
    allowed = await scene.code(browser, **asked)
    assert allowed.page.headers["location"].startswith(f"{PRIVATE}?code=")
    again = await scene.ask(browser, **asked)
    assert (again.page.status, again.page.text.count('class="new"')) == (200, 0)
    assert "form-action 'self' com.example.app:;" in again.page.headers["content-security-policy"]
    silent = await scene.ask(browser, **asked, prompt="none")
    scene.check_told(silent, "interaction_required", "unproven_app", PRIVATE)
    assert (await scene.ask(browser, **asked | {"client_id": "house-native"})).types == ["authorization.granted"]

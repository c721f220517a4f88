"""A client is removed, and its id given to another one at once: nothing of the first is the second's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import msgspec
import pytest

from schema.events import AccountPasswordSet, AuthorizationGranted, ClientRegistered, ClientRemoved, ConsentGranted
from schema.streams import account_stream, client_stream
from service.journal.port import Append
from tests.authorize.scene import CALLBACK, USERS, VERIFIER, Scene
from tests.authorize.test_races import ask_while

pytestmark = pytest.mark.asyncio(loop_scope="session")


def replacing(scene: Scene, client_id: str) -> Callable[[], Awaitable[None]]:
    """What removes a client and registers another one in its place, in the same second."""
    known = scene.known(client_id).settings
    assert isinstance(known, ClientRegistered)
    again = msgspec.structs.replace(known, client_name="Brand New")

    async def replace() -> None:
        await scene.append(client_stream(client_id), ClientRemoved(client_id=client_id), again, version=1)

    return replace


async def redeem(scene: Scene, client_id: str, code: str) -> httpx.Response:
    """Exchange a code."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return await scene.http.post("/oauth2/token", data=form | {"client_id": client_id})


async def userinfo(scene: Scene, token: str) -> int:
    """How userinfo answers an access token."""
    return (await scene.http.get("/oauth2/userinfo", headers={"authorization": f"Bearer {token}"})).status_code


async def test_tokens_of_a_client_replaced_in_the_same_second_are_dead(scene: Scene) -> None:
    """Access token, refresh token and code: the order of the journal tells whose they are, and no clock."""
    client_id, browser = await scene.client(first_party=True), await scene.visitor()
    asked = {"client_id": client_id, "scope": "openid offline_access read:users", "resource": USERS}
    tokens = (await redeem(scene, client_id, (await scene.code(browser, **asked)).answer["code"])).json()
    code = (await scene.code(browser, **asked)).answer["code"]
    await replacing(scene, client_id)()
    assert await userinfo(scene, tokens["access_token"]) == 401
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": client_id}
    assert (await scene.http.post("/oauth2/token", data=refresh)).json()["error"] == "invalid_grant"
    assert (await redeem(scene, client_id, code)).json()["error"] == "invalid_grant"


async def test_consent_page_of_a_replaced_client_is_stale(scene: Scene) -> None:
    """Who said yes to the client of before has said nothing to the new one, nor has who said no."""
    client_id, browser = await scene.client(), await scene.visitor()
    asked = await scene.ask(browser, client_id=client_id)
    await replacing(scene, client_id)()
    for decision in ("allow", "deny", "switch"):
        scene.check_shown(await scene.decide(browser, asked.page, decision), "stale_request", "consent")


async def test_resume_address_of_a_replaced_client_is_stale(scene: Scene) -> None:
    """A request that waited for a sign-in does not go on for another client than asked."""
    client_id = await scene.client()
    seen = await scene.ask(scene.stranger(), client_id=client_id)
    way_back = scene.sign_in(seen).return_to
    await replacing(scene, client_id)()
    browser = await scene.visitor()
    scene.check_shown(await scene.see(browser.get(way_back)), "stale_request")


async def test_client_replaced_while_the_consent_is_given(scene: Scene) -> None:
    """A consent that lands behind the replacement is taken back: the new client has nothing of it."""
    person, client_id = await scene.person(), await scene.client()
    browser = await scene.visitor(person)
    page = await ask_while(scene, browser, ConsentGranted, replacing(scene, client_id), client_id=client_id)
    assert page.sent_back["error"] == "access_denied"
    assert scene.core.state.consents.scopes(person.subject, client_id) == frozenset()
    assert (await scene.ask(browser, client_id=client_id, prompt="none")).answer["error"] == "consent_required"


@pytest.mark.parametrize("first_party", [False, True])
async def test_client_replaced_while_the_grant_is_given(scene: Scene, first_party: bool) -> None:
    """A grant that lands behind the replacement is revoked, also where nobody need be asked."""
    client_id, browser = await scene.client(first_party=first_party), await scene.visitor()
    before = await scene.core.journal.head()
    page = await ask_while(scene, browser, AuthorizationGranted, replacing(scene, client_id), client_id=client_id)
    assert page.sent_back["error"] == "access_denied"
    types = [event.type for event in await scene.core.journal.read(before, 100)]
    assert types[-3:] == ["authorization.granted", "grant.revoked", "access.rejected"]


async def test_consent_behind_a_removal_is_not_the_next_clients(scene: Scene) -> None:
    """A worker that has not heard of the removal commits a consent behind it; the next client has none."""
    person, client_id = await scene.person(), await scene.client()
    browser, known = await scene.visitor(person), scene.known(client_id).settings
    assert isinstance(known, ClientRegistered)

    async def remove() -> None:
        await scene.core.journal.append(Append(client_stream(client_id), 1, (ClientRemoved(client_id=client_id),)))

    page = await ask_while(scene, browser, ConsentGranted, remove, client_id=client_id)
    assert page.sent_back["error"] == "access_denied"
    await scene.append(client_stream(client_id), known, version=2)
    assert (await scene.ask(browser, client_id=client_id, prompt="none")).answer["error"] == "consent_required"


async def test_new_password_ends_what_a_stolen_session_was_granted(scene: Scene) -> None:
    """Its access token and its code are dead at once, those of the sign-in after it are not."""
    person = await scene.person(password="a rather long passphrase 17")
    browser, asked = await scene.visitor(person), {"client_id": "house-app", "scope": "openid read:users"}
    token = (await redeem(scene, "house-app", (await scene.code(browser, **asked)).answer["code"])).json()
    late = await scene.code(browser, client_id="house-app", scope="openid offline_access")
    stream = account_stream(person.name)
    version = scene.core.state.accounts.version_of(stream)
    assert await userinfo(scene, token["access_token"]) == 200
    await scene.append(stream, AccountPasswordSet(subject=person.subject), version=version)
    assert await userinfo(scene, token["access_token"]) == 401
    assert (await redeem(scene, "house-app", late.answer["code"])).json()["error"] == "invalid_grant"
    again = (await scene.code(await scene.visitor(person), **asked)).answer["code"]
    assert await userinfo(scene, (await redeem(scene, "house-app", again)).json()["access_token"]) == 200

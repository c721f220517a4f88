"""A device gets a grant from a person (RFC 8628), step by step, each with its receipt."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.device.world import AGENT, DEVICE_AUTHORIZATION, PAYMENTS, SCOPE, USERS, Devices, decide, enter
from tests.people import Browser

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_device_gets_its_codes(devices: Devices) -> None:
    """The answer is that of RFC 8628 section 3.2, and the event has both codes as digests."""
    after = await devices.core.journal.head()
    codes = await devices.begin()
    uri = f"{devices.core.issuer}/device"
    assert {
        "device_code": codes.device_code,
        "user_code": codes.user_code,
        "verification_uri": uri,
        "verification_uri_complete": f"{uri}?user_code={codes.user_code}",
        "expires_in": 600,
        "interval": 5,
    } == codes.body
    (event,) = await devices.events(after)
    data = json.loads(event.data)
    assert (event.type, event.actor, event.client, event.version) == ("device.requested", "tv", "tv", 1)
    assert data["digest"] == devices.core.digester.digest(codes.device_code)
    assert (data["scope"], data["resources"]) == ("offline_access openid read:users", [USERS])
    assert (data["expires_at"] - data["issued_at"], data["user_agent"]) == (600, AGENT)


async def test_device_is_connected(devices: Devices) -> None:
    """Code, page, approval, tokens: each step is an event of one grant, with the right actor."""
    person, browser = await devices.person()
    after = await devices.core.journal.head()
    codes = await devices.begin()
    assert (await devices.poll(codes.device_code)).json()["error"] == "authorization_pending"
    page = await decide(browser, codes.user_code)
    assert (page.status, "You can go back to your device" in page.text) == (200, True)
    answer = await devices.poll(codes.device_code)
    body = answer.json()
    assert (answer.status_code, body["scope"]) == (200, "offline_access openid read:users")
    assert {"access_token", "refresh_token", "id_token"} <= body.keys()
    assert await devices.active(body["access_token"])
    story = [event for event in await devices.events(after) if event.type.startswith(("device.", "token."))]
    told = [(event.type, event.actor) for event in story]
    who = f"account:{person.subject}"
    assert told == [
        ("device.requested", "tv"),
        ("device.approved", who),
        ("device.redeemed", "tv"),
        ("token.issued", "tv"),
    ]
    assert len({event.stream for event in story}) == 1


async def test_approval_tells_who_and_how(devices: Devices) -> None:
    """The event of an approval names person, session, scope and strength; consent is recorded beside it."""
    person, browser = await devices.person()
    codes = await devices.begin(scope="openid read:users")
    after = await devices.core.journal.head()
    await decide(browser, codes.user_code)
    consent, approved = (json.loads(event.data) for event in await devices.events(after))
    assert consent == {"client_id": "tv", "subject": person.subject, "scopes": ["openid", "read:users"]}
    assert (approved["subject"], approved["scope"], approved["resources"]) == (
        person.subject,
        "openid read:users",
        [USERS],
    )
    assert (approved["amr"], approved["acr"]) == (["pwd"], "1fa")
    assert devices.core.state.consents.scopes(person.subject, "tv") == {"openid", "read:users"}


async def test_page_shows_what_is_asked(devices: Devices) -> None:
    """Before a person decides they see the code, the client, each scope in words, and when and from where it came."""
    person, browser = await devices.person()
    codes = await devices.begin()
    page = await enter(browser, codes.user_code)
    for shown in (
        codes.user_code,
        "Living room TV",
        "See all users",
        "Know who you are here",
        "127.0.0.1",
        person.name,
    ):
        assert shown in page.text
    assert "Change users" not in page.text


@pytest.mark.parametrize("typed", ["{code}", "{lower}", " {plain} ", "{a} {b}", "{a}\u2013{b}", "{a}--{b}"])
async def test_user_code_is_easy_to_type(devices: Devices, typed: str) -> None:
    """Case, dashes and spaces of what somebody types do not matter."""
    _, browser = await devices.person()
    code = (await devices.begin()).user_code
    first, last = code.split("-")
    entered = typed.format(code=code, lower=code.lower(), plain=first + last, a=first, b=last.lower())
    assert (await enter(browser, entered)).form("/device/decision").fields["state"]


async def test_link_alone_decides_nothing(devices: Devices) -> None:
    """Following the complete link fills the form in and no more (RFC 8628 section 3.3.1)."""
    _, browser = await devices.person()
    codes = await devices.begin()
    after = await devices.core.journal.head()
    page = await browser.get(codes.body["verification_uri_complete"])
    assert page.form("/device").fields["user_code"] == codes.user_code
    assert await devices.events(after) == []
    assert (await devices.poll(codes.device_code)).json()["error"] == "authorization_pending"


async def test_who_is_not_signed_in_signs_in_first(devices: Devices) -> None:
    """Page and forms send a stranger to the sign-in page, and the link's code is not lost."""
    codes = await devices.begin()
    browser = Browser(devices.http)
    for page in (
        await browser.get(codes.body["verification_uri_complete"]),
        await browser.post("/device", {"user_code": codes.user_code}),
    ):
        assert (page.status, urlsplit(page.location).path) == (303, "/sign-in")
    person, _ = await devices.person(password="correct horse battery staple 42")
    page = await browser.follow(await browser.get(codes.body["verification_uri_complete"]))
    page = await browser.submit(page.form("/sign-in"), name=person.name, password=str(person.password))
    back = urlsplit(page.location)
    assert (back.path, parse_qs(back.query)) == ("/device", {"user_code": [codes.user_code]})


async def test_denied_device_is_told(devices: Devices) -> None:
    """Who is denied gets `access_denied`, at once and for ever, and no consent is noted."""
    person, browser = await devices.person()
    codes = await devices.begin()
    after = await devices.core.journal.head()
    page = await decide(browser, codes.user_code, "deny")
    assert (page.status, "gets nothing" in page.text) == (200, True)
    (denied,) = await devices.events(after)
    assert (denied.type, denied.actor) == ("device.denied", f"account:{person.subject}")
    for _ in range(2):
        answer = await devices.poll(codes.device_code)
        assert (answer.status_code, answer.json()["error"]) == (400, "access_denied")
    assert devices.core.state.consents.of_subject(person.subject) == {}


async def test_neither_yes_nor_no_is_no_decision(devices: Devices) -> None:
    """An answer that is neither is refused, and the device still waits."""
    _, browser = await devices.person()
    codes = await devices.begin()
    assert (await decide(browser, codes.user_code, "maybe")).status == 400
    assert (await devices.poll(codes.device_code)).json()["error"] == "authorization_pending"


async def test_scope_that_takes_a_role_is_not_given_without_it(devices: Devices) -> None:
    """A person gives what they have: no more is shown, approved or issued, and the API of the rest is left out."""
    _, browser = await devices.person()
    codes = await devices.begin(scope="openid read:users pay")
    page = await enter(browser, codes.user_code)
    assert (PAYMENTS in page.text, USERS in page.text) == (False, True)
    after = await devices.core.journal.head()
    await browser.submit(page.form("/device/decision"), decision="allow")
    (event,) = await devices.events(after, "device.approved")
    approved = json.loads(event.data)
    assert (approved["scope"], approved["resources"]) == ("openid read:users", [USERS])
    assert (await devices.poll(codes.device_code)).json()["scope"] == "openid read:users"
    _, payer = await devices.person(roles=("payer",))
    codes = await devices.begin(scope="openid pay")
    await decide(payer, codes.user_code)
    assert (await devices.poll(codes.device_code)).json()["scope"] == "openid pay"


async def test_person_with_nothing_to_give_is_told(devices: Devices) -> None:
    """Where a person has none of the scopes there is nothing to decide."""
    _, browser = await devices.person()
    codes = await devices.begin(scope="pay offline_access")
    after = await devices.core.journal.head()
    assert (await enter(browser, codes.user_code)).status == 400
    assert (await devices.rejection(after))["reason"] == "no_scope_of_person"


async def test_own_device_needs_no_consent(devices: Devices) -> None:
    """A first-party device is approved without a consent of its own."""
    person, browser = await devices.person()
    codes = await devices.begin("own-tv")
    await decide(browser, codes.user_code)
    assert (await devices.poll(codes.device_code, "own-tv")).status_code == 200
    assert devices.core.state.consents.of_subject(person.subject) == {}


async def test_client_with_a_secret_proves_itself_at_both_endpoints(devices: Devices) -> None:
    """A confidential client authenticates as at the token endpoint."""
    form = {"scope": SCOPE}
    response = await devices.post(DEVICE_AUTHORIZATION, form | {"client_id": devices.box[0]})
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    response = await devices.post(DEVICE_AUTHORIZATION, form, auth=devices.box)
    assert response.status_code == 200
    code = response.json()["device_code"]
    devices.secrets.add(code)
    assert (await devices.poll(code, devices.box[0])).status_code == 401


@pytest.mark.parametrize(
    ("client_id", "form", "error", "reason"),
    [
        ("tv", {}, "invalid_scope", "no_scope"),
        ("tv", {"scope": "openid delete:users"}, "invalid_scope", "scope_not_allowed"),
        ("tv", {"scope": "openid  profile"}, "invalid_scope", "malformed_scope"),
        ("tv", {"scope": "openid", "resource": "https://other.example.com"}, "invalid_target", "unknown_resource"),
        ("no-tv", {"scope": "openid"}, "unauthorized_client", "grant_not_allowed"),
    ],
)
async def test_device_may_ask_for_no_more_than_its_client_has(
    devices: Devices, client_id: str, form: dict[str, str], error: str, reason: str
) -> None:
    """What a client may not ask for is refused before anybody is bothered."""
    after = await devices.core.journal.head()
    response = await devices.post(DEVICE_AUTHORIZATION, {"client_id": client_id} | form)
    assert (response.status_code, response.json()["error"]) == (400, error)
    (event,) = await devices.events(after)
    data = json.loads(event.data)
    assert (data["endpoint"], data["reason"], data["client_id"]) == ("device_authorization", reason, client_id)


async def test_resource_may_be_repeated(devices: Devices) -> None:
    """A device may ask for several APIs (RFC 8707 section 2), and then for a token of each."""
    _, browser = await devices.person(roles=("payer",))
    form = [("client_id", "tv"), ("scope", "read:users pay"), ("resource", USERS), ("resource", PAYMENTS)]
    response = await devices.post(DEVICE_AUTHORIZATION, form)
    codes = response.json()
    devices.secrets.add(codes["device_code"])
    await decide(browser, codes["user_code"])
    answer = await devices.poll(codes["device_code"], resource=PAYMENTS)
    assert answer.json()["scope"] == "pay"


async def test_grant_type_needs_the_clients_right(devices: Devices) -> None:
    """A client without the grant type is refused whatever code it has."""
    codes = await devices.begin()
    answer = await devices.poll(codes.device_code, "no-tv")
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


async def test_user_code_that_is_taken_is_drawn_again(devices: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two living requests never share a user code."""
    drawn = ["BCDFGHJK", "BCDFGHJK", "LMNPQRST"]
    monkeypatch.setattr("service.device.authorization.new_user_code", lambda: drawn.pop(0))
    assert [(await devices.begin()).user_code for _ in range(2)] == ["BCDF-GHJK", "LMNP-QRST"]

"""What somebody else does with a device's codes, or with the pages about them, comes to nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from schema.events import AccountSignedOut, ClientDisabled, ClientRegistered, ClientRemoved, RoleGranted
from schema.streams import account_stream, client_stream, new_stream
from service.bootstrap import open_worker
from service.grants import DEVICE_CODE
from service.grants.consents import allow, withdraw
from service.journal.people import sessions_of_subject
from service.limits.limits import Limits
from service.sessions.end import end_session
from service.settings import Settings
from service.tokens.handles import DEVICE_CODE as DEVICE_HANDLE
from service.tokens.handles import new_handle
from tests.device.world import TOKEN, Codes, Devices, beside, decide, enter, open_devices
from tests.endpoints.world import assertion_claims, assertion_form, signed
from tests.people import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOT_VALID = "This code is not valid"


def altered(text: str) -> str:
    """The text with another character in the middle."""
    middle = len(text) // 2
    return text[:middle] + ("B" if text[middle] == "A" else "A") + text[middle + 1 :]


async def pending(devices: Devices, codes: Codes) -> bool:
    """Whether nobody has decided."""
    await devices.wait(codes.device_code, 600)
    told: str = (await devices.poll(codes.device_code)).json().get("error")
    return told == "authorization_pending"


async def refused(devices: Devices, browser: Browser, codes: Codes, reason: str) -> None:
    """The code is not valid for this browser, and the audit knows why."""
    after = await devices.core.journal.head()
    page = await enter(browser, codes.user_code)
    assert (page.status, NOT_VALID in page.text) == (400, True)
    assert [form for form in page.forms if urlsplit(form.action).path == "/device/decision"] == []
    assert (await devices.rejection(after))["reason"] == reason


# --- who decides ------------------------------------------------------------------------------------------


async def test_device_code_approved_by_somebody_else(devices: Devices) -> None:
    """Once one session looked, nobody else can look, approve or deny: not with the code, not with the page's state."""
    _, zoe = await devices.person()
    _, mallory = await devices.person()
    codes = await devices.begin()
    seen = (await enter(zoe, codes.user_code)).form("/device/decision")
    await refused(devices, mallory, codes, "user_code_of_other_session")
    own = (await mallory.get("/device")).form("/device").fields["csrf"]
    for answer in ("allow", "deny"):
        after = await devices.core.journal.head()
        page = await mallory.submit(seen, csrf=own, decision=answer)
        assert page.status == 400
        assert (await devices.rejection(after))["reason"] == "device_look_of_other_session"
    assert await pending(devices, codes)
    assert (await zoe.submit(seen, decision="allow")).status == 200
    assert (await devices.poll(codes.device_code)).status_code == 200


async def test_another_session_of_the_same_person_cannot_decide(devices: Devices) -> None:
    """What binds is the session: a second browser of the same person sees and decides nothing."""
    person, first = await devices.person()
    other = await devices.browser(person)
    codes = await devices.begin()
    seen = (await enter(first, codes.user_code)).form("/device/decision")
    await refused(devices, other, codes, "user_code_of_other_session")
    own = (await other.get("/device")).form("/device").fields["csrf"]
    assert (await other.submit(seen, csrf=own, decision="allow")).status == 400
    assert await pending(devices, codes)


async def test_of_two_who_look_at_once_one_is_first(devices: Devices, second: Devices) -> None:
    """At two workers at once one sees the request and the other nothing."""
    _, zoe = await devices.person()
    _, mallory = await second.person()
    for _ in range(5):
        codes = await devices.begin()
        await second.core.follower.refresh()
        pages = await asyncio.gather(enter(zoe, codes.user_code), enter(mallory, codes.user_code))
        assert sorted(page.status for page in pages) == [200, 400]


async def test_who_looked_may_look_again(devices: Devices) -> None:
    """A reload is no attack."""
    _, zoe = await devices.person()
    codes = await devices.begin()
    assert [(await enter(zoe, codes.user_code)).status for _ in range(3)] == [200] * 3


@pytest.mark.parametrize("answer", ["allow", "deny"])
async def test_decision_is_final(devices: Devices, answer: str) -> None:
    """Nobody decides twice: not the same page, not a new look, not another person."""
    _, zoe = await devices.person()
    _, mallory = await devices.person()
    codes = await devices.begin()
    seen = (await enter(zoe, codes.user_code)).form("/device/decision")
    assert (await zoe.submit(seen, decision=answer)).status == 200
    for again in ("allow", "deny"):
        after = await devices.core.journal.head()
        assert (await zoe.submit(seen, decision=again)).status == 400
        assert (await devices.rejection(after))["reason"] == "user_code_used"
    for browser in (zoe, mallory):
        await refused(devices, browser, codes, "user_code_used")


async def test_allowed_and_denied_at_once_is_one_of_them(devices: Devices) -> None:
    """Of two answers at once one counts, and the device is told that one."""
    _, zoe = await devices.person()
    for _ in range(5):
        codes = await devices.begin()
        seen = (await enter(zoe, codes.user_code)).form("/device/decision")
        answers = ("allow", "deny")
        pages = await asyncio.gather(*(zoe.submit(seen, decision=answer) for answer in answers))
        assert sorted(page.status for page in pages) == [200, 400]
        won = answers[[page.status for page in pages].index(200)]
        told = (await devices.poll(codes.device_code)).status_code
        assert told == {"allow": 200, "deny": 400}[won]


async def test_decision_needs_the_form_of_this_page(devices: Devices) -> None:
    """A forged post (CSRF), one from another site, and an altered or foreign state decide nothing."""
    _, zoe = await devices.person()
    codes = await devices.begin()
    seen = (await enter(zoe, codes.user_code)).form("/device/decision")
    entry = (await zoe.get("/device")).form("/device").fields
    forgeries: dict[str, Callable[[], Any]] = {
        "csrf": lambda: zoe.submit(seen, csrf="", decision="allow"),
        "foreign_origin": lambda: zoe.post(
            seen.action, seen.fields | {"decision": "allow"}, headers={"origin": "https://evil.example.com"}
        ),
        "stale_form": lambda: zoe.submit(seen, state=altered(seen.fields["state"]), decision="allow"),
        "missing_parameter": lambda: zoe.post(seen.action, {"csrf": entry["csrf"], "decision": "allow"}),
    }
    for reason, forge in forgeries.items():
        after = await devices.core.journal.head()
        page: Page = await forge()
        assert page.status == 400
        assert (await devices.rejection(after))["reason"] == reason
    assert await pending(devices, codes)


async def test_who_signed_out_cannot_decide(devices: Devices) -> None:
    """The page of a session that ended decides nothing."""
    _, zoe = await devices.person()
    codes = await devices.begin()
    seen = (await enter(zoe, codes.user_code)).form("/device/decision")
    zoe.cookies = {name: value for name, value in zoe.cookies.items() if "session" not in name}
    page = await zoe.submit(seen, decision="allow")
    assert (page.status, urlsplit(page.location).path) == (303, "/device")
    assert await pending(devices, codes)


async def test_more_rights_than_were_shown_are_not_given(devices: Devices) -> None:
    """A role that came after the page was shown adds nothing to what is approved."""
    person, zoe = await devices.person()
    codes = await devices.begin(scope="read:users pay")
    seen = (await enter(zoe, codes.user_code)).form("/device/decision")
    stream = account_stream(person.name)
    version = devices.core.state.accounts.version_of(stream)
    await devices.append(stream, RoleGranted(subject=person.subject, role="payer"), version=version)
    after = await devices.core.journal.head()
    await zoe.submit(seen, decision="allow")
    (approved,) = await devices.events(after, "device.approved")
    assert json.loads(approved.data)["scope"] == "read:users"


# --- what is taken back meanwhile -------------------------------------------------------------------------


@pytest.mark.parametrize("taken", ["consent", "session", "client"])
async def test_grant_is_dead_if_what_it_rests_on_ends_while_it_is_given(
    devices: Devices, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    """Who withdraws or signs out in the very moment of approving may not see the grant; it ends all the same."""
    person, zoe = await devices.person()
    account = devices.core.state.accounts.by_subject[person.subject]
    client_id = "tv"
    if taken == "client":
        client_id = "lent-tv"
        await devices.register(client_id, first_party=True)
    lent = devices.core.state.access.clients[client_id].settings
    assert isinstance(lent, ClientRegistered)
    codes = await devices.begin(client_id)
    seen = (await enter(zoe, codes.user_code)).form("/device/decision")

    async def overtaken(core: Any, context: Any, subject: str, client: Any, scopes: Any) -> None:
        await allow(core, context, subject, client, scopes)
        if taken == "consent":
            await withdraw(core, context, account, "tv")
        elif taken == "client":
            await devices.append(client_stream("lent-tv"), ClientRemoved(client_id="lent-tv"), lent, version=1)
        else:
            (session,) = await sessions_of_subject(core.journal, subject)
            await end_session(core, context, session, "test")

    monkeypatch.setattr("service.device.decision.allow", overtaken)
    after = await devices.core.journal.head()
    assert (await zoe.submit(seen, decision="allow")).status == 400
    assert (await devices.rejection(after))["reason"] == "taken_back_meanwhile"
    assert len(await devices.events(after, "grant.revoked")) == 1
    assert (await devices.poll(codes.device_code, client_id)).json()["error"] == "invalid_grant"


async def test_request_of_before_a_sign_out_of_everything_is_void(devices: Devices) -> None:
    """A device that asked before the person signed out everywhere gets nothing by signing in again."""
    person, _ = await devices.person()
    codes = await devices.begin()
    stream = account_stream(person.name)
    version = devices.core.state.accounts.version_of(stream)
    await devices.append(stream, AccountSignedOut(subject=person.subject), version=version)
    await refused(devices, await devices.browser(person), codes, "user_code_expired")


async def test_client_that_is_disabled_or_replaced_is_not_approved(devices: Devices) -> None:
    """Neither a disabled client's request can be approved, nor by its name that of one that was there before."""
    _, zoe = await devices.person()
    await devices.register("short-tv")
    stream, codes = client_stream("short-tv"), await devices.begin("short-tv")
    await devices.append(stream, ClientDisabled(client_id="short-tv"), version=1)
    await refused(devices, zoe, codes, "user_code_of_disabled_client")
    await devices.append(stream, ClientRemoved(client_id="short-tv"), version=2)
    again = ClientRegistered(client_id="short-tv", auth_method="none", grants=(DEVICE_CODE,), scopes=("openid",))
    await devices.append(stream, again, version=3)
    await refused(devices, zoe, codes, "user_code_of_disabled_client")


async def test_expired_code_cannot_be_approved(devices: Devices) -> None:
    """Neither looked at nor decided about."""
    _, zoe = await devices.person()
    await refused(devices, zoe, await devices.begin_expired(), "user_code_expired")


# --- the device code --------------------------------------------------------------------------------------


async def test_device_code_reused(devices: Devices, second: Devices) -> None:
    """A second use gets nothing, and ends at every worker what the first gave, refresh token included."""
    _, zoe = await devices.person()
    codes = await devices.begin()
    await decide(zoe, codes.user_code)
    tokens = (await devices.poll(codes.device_code)).json()
    await second.core.follower.refresh()
    assert await second.active(tokens["access_token"])
    after = await devices.core.journal.head()
    answer = await second.poll(codes.device_code)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    committed = await devices.events(after)
    assert [event.type for event in committed] == ["token.reuse_detected", "grant.revoked", "access.rejected"]
    told = [json.loads(event.data) for event in committed]
    assert (told[0]["kind"], told[1]["reason"], told[2]["reason"]) == (
        "device_code",
        "device_code_reused",
        "device_code_reused",
    )
    for worker in (devices, second):
        assert not await worker.active(tokens["access_token"])
        assert (await worker.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_device_code_is_redeemed_once_however_many_ask_at_once(devices: Devices, second: Devices) -> None:
    """Of many at once at two workers one gets tokens at most, and no token is alive in the end."""
    _, zoe = await devices.person()
    codes = await devices.begin()
    await decide(zoe, codes.user_code)
    await second.core.follower.refresh()
    asked = [(devices, second)[number % 2].poll(codes.device_code) for number in range(8)]
    answers = await asyncio.gather(*asked)
    issued = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(issued) == 1
    for worker in (devices, second):
        assert not await worker.active(issued[0]["access_token"])


async def test_device_code_of_another_client(devices: Devices) -> None:
    """A code is good for the client that got it; another one gets nothing and ends nothing."""
    _, zoe = await devices.person()
    codes = await devices.begin()
    await decide(zoe, codes.user_code)
    after = await devices.core.journal.head()
    answer = await devices.poll(codes.device_code, "other-tv")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert (await devices.rejection(after))["reason"] == "device_code_of_other_client"
    tokens = (await devices.poll(codes.device_code)).json()
    await devices.poll(codes.device_code, "other-tv")
    assert await devices.active(tokens["access_token"])


async def test_forged_device_code(devices: Devices) -> None:
    """Grant ids are public and anybody can compute a checksum: that gets nothing, and ends nothing."""
    _, zoe = await devices.person()
    codes = await devices.begin()
    await decide(zoe, codes.user_code)
    tokens = (await devices.poll(codes.device_code)).json()
    for grant_id in (codes.grant_id, new_stream()):
        after = await devices.core.journal.head()
        answer = await devices.poll(new_handle(DEVICE_HANDLE, grant_id))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        assert (await devices.rejection(after))["reason"] == "device_code_unknown"
    assert await devices.active(tokens["access_token"])


@pytest.mark.parametrize(
    "alter",
    [altered, lambda code: code[:-1], lambda code: code + "A", lambda _: "tly_dc_"],
)
async def test_altered_device_code(devices: Devices, alter: Callable[[str], str]) -> None:
    """A cut-off or altered code is told from a guessed one by its checksum."""
    codes = await devices.begin()
    after = await devices.core.journal.head()
    assert (await devices.poll(alter(codes.device_code))).json()["error"] == "invalid_grant"
    assert (await devices.rejection(after))["reason"] == "device_code_malformed"


async def test_proof_of_a_device_is_used_once(devices: Devices) -> None:
    """A client assertion that asked once whether somebody decided cannot ask again."""
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": "one"}
    event = ClientRegistered(
        client_id="key-tv", auth_method="private_key_jwt", grants=(DEVICE_CODE,), scopes=("openid",), jwks=(jwk,)
    )
    await devices.append(client_stream("key-tv"), event)

    def proof() -> dict[str, str]:
        return assertion_form(signed(assertion_claims("key-tv"), key, kid="one"))

    codes = (await devices.post("/oauth2/device_authorization", proof() | {"scope": "openid"})).json()
    devices.secrets.add(codes["device_code"])
    form = {"grant_type": DEVICE_CODE, "device_code": codes["device_code"]} | proof()
    assert (await devices.post(TOKEN, form)).json()["error"] == "authorization_pending"
    answer = await devices.post(TOKEN, form)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


# --- guessing user codes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["BCDF-GHJ", "BCDF-GHJKL", "BCDF-GHJA", "12345678", "<script>"])
async def test_text_that_cannot_be_a_code(devices: Devices, typed: str) -> None:
    """What cannot be a code is refused, shown again as text, and nowhere else."""
    person, zoe = await devices.person()
    after = await devices.core.journal.head()
    page = await enter(zoe, typed)
    assert (page.status, NOT_VALID in page.text, "<script>" in page.text) == (400, True, False)
    told = await devices.rejection(after)
    assert (told["reason"], told["endpoint"], told["detail"]) == ("malformed_user_code", "device", person.subject)


@pytest.fixture
async def strict(settings: Settings) -> Any:
    """A world that lets a person be wrong three times, and a source five times."""
    few = msgspec.structs.replace(settings, login_failures_per_account=3, login_failures_per_source=5)
    async with open_worker(few) as core, open_devices(core) as world:
        yield world


@pytest.mark.asyncio(loop_scope="function")
async def test_guessing_user_codes(strict: Devices) -> None:
    """After a few wrong codes a person is refused unseen, with the right code too; and so is a source of many."""
    _, zoe = await strict.person()
    codes = await strict.begin()
    for _ in range(3):
        assert (await enter(zoe, "BBBB-BBBB")).status == 400
    after = await strict.core.journal.head()
    page = await enter(zoe, codes.user_code)
    assert (page.status, 1 <= int(page.headers["retry-after"]) <= 900) == (429, True)
    assert (await strict.rejection(after))["reason"] == "user_code_throttled"
    _, other = await strict.person()
    for status in (400, 400, 429):
        assert (await enter(other, "BBBB-BBBB")).status == status
    _, third = await strict.person()
    assert (await enter(third, codes.user_code)).status == 429


@pytest.mark.asyncio(loop_scope="function")
async def test_guesses_count_however_many_refusals_there_are(strict: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong code is an event where other refusals are counted alone, for it is by these events that guesses count."""
    monkeypatch.setattr(Limits, "may_journal", lambda *_, **__: False)
    _, zoe = await strict.person()
    assert [(await enter(zoe, "BBBB-BBBB")).status for _ in range(5)] == [400] * 3 + [429] * 2


@pytest.mark.asyncio(loop_scope="function")
async def test_guessing_many_user_codes_at_once(strict: Devices) -> None:
    """Many guesses at once get no further than one after the other."""
    _, zoe = await strict.person()
    form = (await zoe.get("/device")).form("/device")
    pages = await asyncio.gather(*(zoe.submit(form, user_code="BBBB-BBBB") for _ in range(12)))
    assert sorted(page.status for page in pages) == [400] * 3 + [429] * 9


@pytest.mark.asyncio(loop_scope="function")
async def test_guessing_user_codes_at_every_worker(strict: Devices) -> None:
    """Wrong codes count at whichever worker they are entered."""
    async with open_worker(strict.core.settings) as core, beside(strict, core) as other:
        person, zoe = await strict.person()
        await core.follower.refresh()
        elsewhere = Browser(other.http)
        elsewhere.cookies = zoe.cookies
        for browser in (zoe, elsewhere, zoe):
            assert (await enter(browser, "BBBB-BBBB")).status == 400
        await core.follower.refresh()
        for browser in (zoe, elsewhere):
            assert (await enter(browser, "BBBB-BBBB")).status == 429
        assert len(core.state.wrong_user_codes.of_person(person.subject)) == 3

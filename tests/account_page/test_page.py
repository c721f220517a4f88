"""The account page: what a person sees of their own, and how they end it for good."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
import pytest
import pytest_asyncio

from schema.envelope import RecordedEvent
from schema.events import ConsentGranted, PasskeyAdded, RecoveryCodesSet, SessionStarted, TotpEnrolled
from schema.streams import account_stream, consent_stream, new_stream
from service.bootstrap import open_worker
from service.browser.cookies import SESSION
from service.limits.limits import Limits
from service.settings import Settings
from service.tokens.handles import SESSION as SESSION_HANDLE
from service.tokens.handles import new_handle, parse_handle
from tests.conftest import ISSUER, MASTER_KEY, UNLIMITED
from tests.device.world import SCOPE, Devices, beside, decide, open_devices
from tests.people import Browser, Person
from tests.servers import Servers, fresh_database

pytestmark = pytest.mark.asyncio(loop_scope="session")

END, WITHDRAW = "/account/sessions/end", "/account/apps/withdraw"
ANDROID = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36"


class Two(NamedTuple):
    """The same world at two workers."""

    one: Devices
    two: Devices


@pytest.fixture(scope="session")
def at(servers: Servers) -> Iterator[Settings]:
    """Settings of the workers that these tests share."""
    with fresh_database(servers) as database:
        yield Settings(database_url=database.service_url, issuer=ISSUER, master_key=MASTER_KEY, **UNLIMITED)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def both(at: Settings) -> AsyncIterator[Two]:
    """Two workers; in the end the whole journal is searched for secrets."""
    async with (
        open_worker(at) as core,
        open_devices(core) as one,
        open_worker(at) as other,
        beside(one, other) as two,
    ):
        yield Two(one, two)


@pytest.fixture
def world(both: Two) -> Devices:
    """The first worker."""
    return both.one


@pytest.fixture
def late_feed(both: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second worker hears of what was committed a moment later than it could."""
    read = both.two.core.journal.read

    async def read_late(after: int, limit: int) -> list[RecordedEvent]:
        await asyncio.sleep(0.3)
        return await read(after, limit)

    monkeypatch.setattr(both.two.core.journal, "read", read_late)


async def tokens_of(world: Devices, browser: Browser, client_id: str = "tv", scope: str = SCOPE) -> dict[str, str]:
    """The tokens of a device that a person connects."""
    codes = await world.begin(client_id, scope)
    await decide(browser, codes.user_code)
    answer = await world.poll(codes.device_code, client_id)
    assert answer.status_code == 200
    told: dict[str, str] = answer.json()
    return told


def session_of(browser: Browser) -> str:
    """The id of a browser's session."""
    return str(parse_handle(SESSION_HANDLE, browser.cookies[SESSION]))


async def is_signed_in(world: Devices, browser: Browser) -> bool:
    """Whether a worker takes a browser's cookie."""
    elsewhere = Browser(world.http)
    elsewhere.cookies = dict(browser.cookies)
    return (await elsewhere.get("/account")).status == 200


async def press(browser: Browser, action: str, **fields: str) -> int:
    """Send one of the page's forms with other fields; the status of the answer."""
    csrf = (await browser.get("/account")).forms[0].fields["csrf"]
    return (await browser.post(action, {"csrf": csrf} | fields)).status


# --- what is shown ----------------------------------------------------------------------------------------


async def test_who_is_not_signed_in_signs_in_first(world: Devices) -> None:
    """The page and its forms are for who is signed in; the bare address of the server leads to the page."""
    stranger = Browser(world.http)
    pages = [await stranger.get("/account"), await stranger.post(END), await stranger.post(WITHDRAW)]
    assert [(page.status, urlsplit(page.location).path) for page in pages] == [(303, "/sign-in")] * 3
    page = await stranger.get("/")
    assert (page.status, urlsplit(page.location).path) == (303, "/account")


async def test_who_asks_too_much_is_held_back(world: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person has a limit of their own, whatever the browser; others go on."""
    limited = msgspec.structs.replace(world.core.settings, account_rate=0.001, account_burst=3, throttle_hold=0.0)
    (_, busy), (_, other) = await world.person(), await world.person()
    limits = Limits(limited, world.core.journal, world.core.metrics)
    for place in ("admit_account", "_account"):
        monkeypatch.setattr(world.core.limits, place, getattr(limits, place))
    assert [(await busy.get("/account")).status for _ in range(4)] == [200, 200, 200, 429]
    elsewhere = Browser(world.http)
    elsewhere.cookies = dict(busy.cookies)
    page = await elsewhere.get("/account")
    assert (page.status, "too many requests" in page.text) == (429, True)
    assert (await other.get("/account")).status == 200


async def test_what_a_person_is_refused_too_often_is_counted(world: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit it is answered as ever, and told of as theirs in the event of its window."""
    settings = msgspec.structs.replace(world.core.settings, refusal_rate=0.001, refusal_burst=2, throttle_window=3_600)
    limits = Limits(settings, world.core.journal, world.core.metrics)
    person, browser = await world.person()
    head = await world.core.journal.head()
    with monkeypatch.context() as patched:
        patched.setattr(world.core.limits, "may_journal", limits.may_journal)
        assert [(await browser.post(END, {"csrf": "forged"})).status for _ in range(5)] == [400] * 5
    await limits.keep_in_step()
    await world.core.journal.fetch("UPDATE runtime.throttled SET starts = starts - 2 * seconds")
    await limits.tell()
    events = await world.core.journal.read(head, 100)
    assert [event.type for event in events] == ["access.rejected"] * 2 + ["access.throttled"]
    told = json.loads(events[-1].data)
    assert (told["limit"], told["account"], told.get("client_id"), told["count"]) == (
        "account_refusals", person.subject, None, 3,
    )  # fmt: skip
    assert events[-1].client == "_"


async def test_page_shows_what_is_the_persons(world: Devices) -> None:
    """Name, email, how they sign in, sessions with the current one marked, and applications with what they may do."""
    person, browser = await world.person(email="zoe@example.com")
    stream, subject = account_stream(person.name), person.subject
    await world.append(
        stream,
        TotpEnrolled(subject=subject),
        PasskeyAdded(subject=subject, credential_id=f"id-{subject}", public_key="k", label="My phone", added_at=1),
        RecoveryCodesSet(subject=subject, digests=tuple("abc")),
        version=world.core.state.accounts.version_of(stream),
    )
    await world.browser(person)
    await tokens_of(world, browser)
    page = await browser.get("/account")
    for shown in (person.name, "zoe@example.com", "My phone", "3 left", "Living room TV", "See all users", "Last used"):
        assert shown in page.text
    assert page.text.count("this browser") == 1
    ends = [form.fields["session"] for form in page.forms if "session" in form.fields]
    assert (len(ends), session_of(browser) in ends) == (1, False)
    assert await world.events(await world.core.journal.head()) == []


async def test_page_names_browsers(world: Devices) -> None:
    """A session is told by a short name of its browser, whatever the browser said, and the newest stands first."""
    person, browser = await world.person()
    for agent in (ANDROID, "<b>curl</b>/8.0", None):
        await start_session(world, person, agent)
    text = (await browser.get("/account")).text
    names = ["Unknown browser", "&lt;b&gt;curl&lt;/b&gt;/8.0", "Chrome on Android", "Browser-of-a-test/1.0"]
    assert sorted(names, key=text.index) == names
    assert "<b>curl" not in text


async def start_session(world: Devices, person: Person, agent: str | None = None, expires_in: int = 3_600) -> str:
    """A session of a browser that is elsewhere; its cookie."""
    stream, now = new_stream(), int(time.time())
    handle = new_handle(SESSION_HANDLE, stream)
    started = SessionStarted(
        subject=person.subject,
        digest=world.core.digester.digest(handle),
        auth_time=now,
        expires_at=now + expires_in,
        amr=("pwd",),
        acr="1fa",
        user_agent=agent,
    )
    await world.append(stream, started)
    return handle


async def test_dead_sessions_and_those_of_others_are_not_shown(world: Devices) -> None:
    """An expired session is not shown, nor an ended one, nor anybody else's."""
    person, browser = await world.person()
    other, _ = await world.person()
    await start_session(world, person, "expired/1.0", expires_in=0)
    await start_session(world, other, "other/1.0")
    ended = await world.browser(person)
    await press(browser, END, session=session_of(ended))
    page = await browser.get("/account")
    assert [form for form in page.forms if urlsplit(form.action).path == END] == []
    assert [name for name in ("expired/1.0", "other/1.0") if name in page.text] == []


async def test_own_applications_are_shown_while_they_have_a_grant(world: Devices) -> None:
    """A first-party application has no consent, but stands there while it has a grant."""
    _, browser = await world.person()
    assert "own-tv" not in (await browser.get("/account")).text
    await tokens_of(world, browser, "own-tv")
    page = await browser.get("/account")
    assert ("own-tv" in page.text, "See all users" in page.text) == (True, True)
    assert await press(browser, WITHDRAW, client_id="own-tv") == 303
    assert "own-tv" not in (await browser.get("/account")).text


# --- applications -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("late_feed")
@pytest.mark.parametrize("client_id", ["tv", "own-tv"])
async def test_withdrawn_application_has_nothing_alive(both: Two, client_id: str) -> None:
    """Right after the answer no worker takes a token of any grant, and no refresh works, whoever is asked."""
    world, other = both
    person, browser = await world.person()
    tokens = [await tokens_of(world, browser, client_id) for _ in range(2)]
    await other.core.follower.refresh()
    assert [await other.active(each["access_token"]) for each in tokens] == [True, True]
    after = await world.core.journal.head()
    page = await browser.get("/account")
    (form,) = [form for form in page.forms if form.fields.get("client_id") == client_id]
    page = await browser.submit(form)
    assert (page.status, urlsplit(page.location).path) == (303, "/account")
    for each in tokens:
        for worker in (other, world):
            assert not await worker.active(each["access_token"])
            assert (await worker.refresh(each["refresh_token"], client_id)).json()["error"] == "invalid_grant"
    committed = [event for event in await world.events(after) if event.type != "access.rejected"]
    wanted = ["consent.withdrawn"] * (client_id == "tv") + ["grant.revoked"] * 2
    assert [event.type for event in committed] == wanted
    assert {event.actor for event in committed} == {f"account:{person.subject}"}
    page = await browser.follow(page)
    assert "may do nothing any more" in page.text
    assert [form for form in page.forms if form.fields.get("client_id") == client_id] == []


async def test_withdrawal_while_tokens_are_refreshed(both: Two) -> None:
    """A refresh that runs beside the withdrawal leaves no token alive either."""
    world, other = both
    _, browser = await world.person()
    tokens = await tokens_of(world, browser)
    await other.core.follower.refresh()
    csrf = (await browser.get("/account")).forms[0].fields["csrf"]
    withdrawn, refreshed = await asyncio.gather(
        browser.post(WITHDRAW, {"csrf": csrf, "client_id": "tv"}), other.refresh(tokens["refresh_token"])
    )
    assert withdrawn.status == 303
    alive = [tokens["access_token"], refreshed.json().get("access_token", tokens["access_token"])]
    world.secrets.update(refreshed.json().get(name, alive[0]) for name in ("access_token", "refresh_token"))
    assert [await worker.active(token) for worker in both for token in alive] == [False] * 4
    latest = refreshed.json().get("refresh_token", tokens["refresh_token"])
    assert (await world.refresh(latest)).json()["error"] == "invalid_grant"


async def test_withdrawn_application_can_be_allowed_again(world: Devices) -> None:
    """After a withdrawal the person is asked as if for the first time, and may say yes."""
    _, browser = await world.person()
    await tokens_of(world, browser)
    await press(browser, WITHDRAW, client_id="tv")
    assert await world.active((await tokens_of(world, browser))["access_token"])


async def test_withdrawal_touches_nothing_else(world: Devices) -> None:
    """The grants of other applications, and those of other people, stay; what is not there is no error."""
    _, zoe = await world.person()
    _, mallory = await world.person()
    kept = [await tokens_of(world, zoe), await tokens_of(world, zoe, "other-tv")]
    await tokens_of(world, mallory)
    for client_id in ("tv", "no-tv", "nobody"):
        assert await press(mallory, WITHDRAW, client_id=client_id) == 303
    assert [await world.active(each["access_token"]) for each in kept] == [True, True]
    assert await press(zoe, WITHDRAW, client_id="other-tv") == 303
    assert [await world.active(each["access_token"]) for each in kept] == [True, False]


async def test_consent_given_at_another_worker_is_withdrawn(both: Two) -> None:
    """What was allowed a moment ago at another worker is withdrawn as well."""
    world, other = both
    person, browser = await world.person()
    csrf = (await browser.get("/account")).forms[0].fields["csrf"]
    await other.core.follower.refresh()
    for _ in range(5):
        version = other.core.state.consents.version_of(consent_stream(person.subject, "tv"))
        granted = ConsentGranted(client_id="tv", subject=person.subject, scopes=("openid",))
        await other.append(consent_stream(person.subject, "tv"), granted, version=version)
        assert (await browser.post(WITHDRAW, {"csrf": csrf, "client_id": "tv"})).status == 303
        assert other.core.state.consents.scopes(person.subject, "tv") == frozenset()


# --- sessions ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("late_feed")
async def test_ended_session_is_dead_everywhere(both: Two) -> None:
    """Right after the answer no worker takes the cookie, and what hung on the session ended with it."""
    world, other = both
    person, browser = await world.person()
    lost = await world.browser(person)
    online = await tokens_of(world, lost, scope="openid read:users")
    offline = await tokens_of(world, lost)
    assert await is_signed_in(other, lost)
    after = await world.core.journal.head()
    page = await browser.get("/account")
    (form,) = [form for form in page.forms if form.fields.get("session") == session_of(lost)]
    page = await browser.submit(form)
    assert page.status == 303
    assert [await is_signed_in(worker, lost) for worker in (other, world)] == [False, False]
    assert [await worker.active(online["access_token"]) for worker in (other, world)] == [False, False]
    assert await world.active(offline["access_token"])
    (ended,) = await world.events(after, "session.ended")
    assert json.loads(ended.data) == {"subject": person.subject, "reason": "ended_by_person"}
    assert ended.actor == f"account:{person.subject}"
    assert "That browser is signed out" in (await browser.follow(page)).text


@pytest.mark.usefixtures("late_feed")
async def test_all_other_sessions_end_at_once(both: Two) -> None:
    """Signing out everywhere else ends each other session of the person, and no more."""
    world, other = both
    person, browser = await world.person()
    lost = [await world.browser(person) for _ in range(3)]
    _, stranger = await world.person()
    await other.core.follower.refresh()
    assert [await is_signed_in(other, each) for each in lost] == [True] * 3
    page = await browser.get("/account")
    (form,) = [form for form in page.forms if "others" in form.fields]
    page = await browser.follow(await browser.submit(form))
    assert "Every other browser is signed out" in page.text
    assert [await is_signed_in(other, each) for each in lost] == [False] * 3
    assert [await is_signed_in(other, each) for each in (browser, stranger)] == [True, True]


async def test_own_session_can_be_ended(world: Devices) -> None:
    """Ending the session that asks signs this browser out."""
    _, browser = await world.person()
    kept = dict(browser.cookies)
    assert await press(browser, END, session=session_of(browser)) == 200
    assert SESSION not in browser.cookies
    browser.cookies = kept
    assert not await is_signed_in(world, browser)


async def test_session_of_somebody_else_cannot_be_ended(world: Devices) -> None:
    """Nobody ends another's session, nor learns whether there is one; each attempt is journalled."""
    _, zoe = await world.person()
    person, mallory = await world.person()
    for session in (session_of(zoe), str(new_stream()), "x", ""):
        after = await world.core.journal.head()
        assert await press(mallory, END, session=session) == 400
        (event,) = await world.events(after)
        data = json.loads(event.data)
        assert data["reason"] == ("not_your_session" if session else "missing_parameter")
        assert (data["endpoint"], event.actor) == ("account_sessions", f"account:{person.subject}")
    assert await is_signed_in(world, zoe)


@pytest.mark.parametrize(("action", "fields"), [(END, {"others": "1"}), (WITHDRAW, {"client_id": "tv"})])
async def test_forms_must_be_ours(world: Devices, action: str, fields: dict[str, str]) -> None:
    """A forged form (CSRF), another session's, and one from another site end nothing."""
    person, zoe = await world.person()
    second = await world.browser(person)
    tokens = await tokens_of(world, zoe)
    csrf = [(await each.get("/account")).forms[0].fields["csrf"] for each in (zoe, second)]
    for sent, headers, reason in (
        (fields, {}, "csrf"),
        (fields | {"csrf": csrf[1]}, {}, "csrf"),
        (fields | {"csrf": csrf[0]}, {"origin": "https://evil.example.com"}, "foreign_origin"),
    ):
        after = await world.core.journal.head()
        assert (await zoe.post(action, sent, headers=headers)).status == 400
        assert (await world.rejection(after))["reason"] == reason
    assert (await zoe.get(action)).status == 405
    assert await is_signed_in(world, second)
    assert await world.active(tokens["access_token"])

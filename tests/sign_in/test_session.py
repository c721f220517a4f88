from __future__ import annotations

import asyncio
import json
from uuid import UUID

import pytest

from schema.events import SessionEnded
from service.browser.cookies import BROWSER, SESSION
from service.journal.port import Append
from service.tokens.handles import SESSION as SESSION_HANDLE
from service.tokens.handles import new_handle, parse_handle
from tests.people import Browser, Person, register_person, signed_in
from tests.sign_in.conftest import PASSWORD, Door, door_at, sealed


def session_of(cookie: str) -> UUID:
    """The session that a cookie leads to."""
    return parse_handle(SESSION_HANDLE, cookie)


async def is_signed_in(door: Door, cookie: str) -> bool:
    """Whether a cookie is a living session at a worker."""
    browser = Browser(door.browser.http)
    browser.cookies[SESSION] = cookie
    return (await browser.get("/sign-in")).status == 303


async def test_the_cookie_is_for_this_host_alone(door: Door, zoe: Person) -> None:
    """`__Host-`, Secure, HttpOnly, SameSite=Lax, no Domain, for as long as the session lasts; and it is a handle."""
    answer = await door.sign_in("zoe")
    (given,) = [each for each in answer.page.headers.get_list("set-cookie") if each.startswith(SESSION)]
    attributes = set(given.split("; ")[1:])
    assert attributes == {"Max-Age=43200", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"}
    assert session_of(door.cookie) == answer.events[0].stream


async def test_session_fixation_a_planted_cookie_is_never_adopted(door: Door, zoe: Person) -> None:
    """Whatever session an attacker puts into a browser, whoever signs in there gets one that the attacker has not."""
    await register_person(door.core, "mallory", password=PASSWORD)
    async with door_at(door.core) as attacker:
        await attacker.sign_in("mallory")
        own = attacker.cookie
    for planted in (own, new_handle(SESSION_HANDLE, session_of(own)), "x"):
        door.browser.cookies = {SESSION: planted}
        answer = await door.sign_in("zoe")
        assert door.cookie != planted
        assert session_of(door.cookie) != session_of(own)
        assert json.loads(answer.events[-1].data)["subject"] == zoe.subject
        assert not await is_signed_in(door, planted)


async def test_session_fixation_a_planted_browser_name_is_no_session(door: Door, zoe: Person) -> None:
    """Who shares the name of the browser, which they planted, is not signed in there, and gets no form of it either."""
    door.browser.cookies[BROWSER] = "m" * 22
    await door.sign_in("zoe")
    async with door_at(door.core) as attacker:
        attacker.browser.cookies[BROWSER] = "m" * 22
        page = (await attacker.get("/sign-in")).page
        assert page.status == 200
        own = (await door.get("/sign-in", request=sealed(door.core))).page
        assert page.forms[0].fields["csrf"] != own.forms[0].fields["csrf"]


async def test_signing_in_as_somebody_else_ends_the_session_before(door: Door, second: Door, zoe: Person) -> None:
    """The one who was signed in at this browser is no longer, at any worker; the other has a session of their own."""
    await register_person(door.core, "yan", password=PASSWORD)
    await door.sign_in("zoe")
    before = door.cookie
    answer = await door.sign_in("yan")
    assert answer.types == ["session.ended", "session.started"]
    assert json.loads(answer.events[0].data) == {"subject": zoe.subject, "reason": "replaced"}
    assert session_of(door.cookie) != session_of(before)
    for each in (door, second):
        assert not await is_signed_in(each, before)
        assert await is_signed_in(each, door.cookie)


async def test_signing_in_again_renews_the_session(door: Door, second: Door, zoe: Person) -> None:
    """The same session under a new secret; the cookie before it is dead on every worker once the new one is given."""
    await door.sign_in("zoe")
    for _ in range(5):
        before = door.cookie
        for each in (door, second):
            assert await is_signed_in(each, before)
        answer = await door.sign_in("zoe")
        assert answer.types == ["session.renewed"]
        assert session_of(door.cookie) == session_of(before)
        for each in (second, door):
            assert not await is_signed_in(each, before)
            assert await is_signed_in(each, door.cookie)


async def test_the_renewed_session_is_as_strong_as_the_last_sign_in(door: Door, zoe: Person) -> None:
    """What was proved before is not added: `amr` says how they signed in this time, `auth_time` when."""
    await signed_in(door.core, door.browser.http, zoe, ("pwd", "otp"), auth_time=1_000, browser=door.browser)
    answer = await door.sign_in("zoe")
    assert (answer.types, answer.event["amr"], answer.event["acr"]) == (["session.renewed"], ["pwd"], "1fa")
    session = await door.core.sessions.get(session_of(door.cookie))
    assert session is not None
    assert (session.started_at, session.amr) == (1_000, ("pwd",))
    assert session.auth_time > 1_000


async def test_two_renewals_at_once_leave_one_cookie(door: Door, second: Door, zoe: Person) -> None:
    """At two workers at the same moment: both are answered, and the last cookie committed lives."""
    await door.sign_in("zoe")
    second.browser.cookies = dict(door.browser.cookies)
    request = sealed(door.core)
    forms = [(await each.browser.get("/sign-in", request=request)).form("/sign-in") for each in (door, second)]
    pages = await asyncio.gather(
        *(
            each.browser.submit(form, name="zoe", password=PASSWORD)
            for each, form in zip((door, second), forms, strict=True)
        )
    )
    assert [page.status for page in pages] == [303, 303]
    alive = [[await is_signed_in(each, other.cookie) for each in (door, second)] for other in (door, second)]
    assert sorted(alive) == [[False, False], [True, True]]


async def test_a_session_that_ended_is_not_renewed(door: Door, zoe: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was ended while somebody signed in again stays ended: they get another."""
    await door.sign_in("zoe")
    before, verify = session_of(door.cookie), door.core.passwords.verify

    async def ended_meanwhile(kept: object, password: str) -> bool:
        ended = SessionEnded(subject=zoe.subject, reason="signed_out")
        await door.core.journal.append(Append(before, 1, (ended,)))
        return await verify(kept, password)  # type: ignore[arg-type]  # as it came

    monkeypatch.setattr(door.core.passwords, "verify", ended_meanwhile)
    answer = await door.sign_in("zoe")
    assert answer.types == ["session.ended", "session.started"]
    assert session_of(door.cookie) != before


async def test_the_session_outlives_the_worker(second: Door, door: Door, zoe: Person) -> None:
    """Another worker knows it, though it has never seen it."""
    await door.sign_in("zoe")
    assert await is_signed_in(second, door.cookie)

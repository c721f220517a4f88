from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

import msgspec
import pytest

from service.account_page.security import NOTICES
from service.bootstrap import open_worker
from service.browser.cookies import SESSION
from service.endpoints.core import Core
from service.journal.port import JournalTimeout
from service.settings import Settings
from tests.account_page.security.desk import (
    NEW,
    OLD,
    Desk,
    change_password,
    is_password,
    notice,
    problem,
)
from tests.endpoints.world import client_of_app
from tests.people import Browser, Page, register_person, signed_in


async def test_a_password_is_changed_and_other_sessions_end(desk: Desk) -> None:
    """The new one holds, the old one not; this browser stays signed in by a new cookie, every other is signed out."""
    other, before = await desk.again(("pwd",)), desk.browser.cookies[SESSION]
    assert notice(await change_password(desk)) == "password_changed"
    assert [await is_password(desk, each) for each in (OLD, NEW)] == [False, True]
    page = await desk.browser.get("/account", done="password_changed")
    assert (page.status, NOTICES["password_changed"] in page.text) == (200, True)
    assert (await other.browser.get("/account")).status == 303
    assert before != desk.browser.cookies[SESSION]
    desk.browser.cookies[SESSION] = before
    assert (await desk.browser.get("/account")).status == 303
    types = [each.type for each in await desk.events()][-2:]
    assert types == ["account.password_set", "session.renewed"]


async def test_other_workers_know_of_it(desk: Desk, settings: Settings) -> None:
    """When the change is answered, no worker lets an old session in."""
    other = await desk.again(("pwd",))
    async with open_worker(settings) as second, client_of_app(second) as http:
        there = Browser(http)
        there.cookies = dict(other.browser.cookies)
        assert (await there.get("/account")).status == 200
        await change_password(desk)
        assert (await there.get("/account")).status == 303
        there.cookies = dict(desk.browser.cookies)
        assert (await there.get("/account")).status == 200


@pytest.mark.parametrize(
    ("fields", "told", "reason"),
    [
        ({"repeat": "another one"}, "was not typed the same twice", "password_repeat"),
        ({"new": "Password123!"}, "The new password is too easy to guess", "password_refused"),
        ({"new": "zoe"}, "The new password is shorter than 8 characters", "password_refused"),
        ({"new": "x" * 2_000}, "The new password is longer than 1024 characters", "password_refused"),
        ({"new": OLD}, "That is your password already", "password_unchanged"),
    ],
)
async def test_a_new_password_that_may_not_be_one(desk: Desk, fields: dict[str, str], told: str, reason: str) -> None:
    """It is told why, journalled, and nothing changes."""
    assert told in problem(await change_password(desk, **fields))
    assert await desk.reasons() == [reason]
    assert await is_password(desk, OLD)
    assert (await desk.browser.get("/account")).status == 200


async def test_a_password_known_from_a_breach_is_refused(desk: Desk, tmp_path: Path) -> None:
    """Where there is a list of them, it is asked; where it cannot be read, no password is set."""
    path = tmp_path / "list"
    core = desk.core._replace(settings=msgspec.structs.replace(desk.core.settings, breached_passwords_file=path))
    async with client_of_app(core) as http:
        browser = Browser(http)
        browser.cookies = desk.browser.cookies
        there = desk._replace(core=core, browser=browser)
        assert (await change_password(there)).status == 503
        path.write_text(hashlib.sha1(NEW.encode()).hexdigest().upper())  # noqa: S324 what the list is made of
        assert "is known from a data breach" in problem(await change_password(there))
        assert await desk.reasons() == ["password_refused"]
        assert notice(await change_password(there, new="another 5 violets beneath")) == "password_changed"


async def test_a_wrong_old_password_counts_as_a_failed_sign_in(desk: Desk) -> None:
    """Who found a browser open guesses no further here than at the sign-in."""
    limit = desk.core.settings.login_failures_per_account
    for _ in range(limit):
        assert "That is not your password" in problem(await change_password(desk, old="wrong"))
    throttled = await change_password(desk)
    assert (throttled.status, "Too many attempts" in throttled.text) == (429, True)
    failed = [json.loads(each.data) for each in await desk.events() if each.type == "login.failed"]
    assert [(each["method"], each["subject"]) for each in failed] == [("pwd", desk.person.subject)] * limit
    assert await is_password(desk, OLD)


async def test_of_two_who_change_a_password_one_wins(desk: Desk) -> None:
    """Two browsers at the same moment: one password holds, and the other browser is signed out."""
    other = await desk.again(("pwd",))
    pages = await asyncio.gather(change_password(desk), change_password(other, new="another 5 violets beneath"))
    assert sorted(page.status for page in pages) in ([303, 303], [303, 400])
    winner, loser = (desk, other) if notice_or_none(pages[0]) else (other, desk)
    assert (await winner.browser.get("/account")).status == 200
    assert (await loser.browser.get("/account")).status == 303
    assert [await is_password(desk, NEW), await is_password(desk, OLD)] == [winner is desk, False]


def notice_or_none(page: Page) -> str | None:
    """The same, None where no change was made."""
    return notice(page) if page.status == 303 and "done=" in page.location else None


async def test_without_its_event_no_password_holds(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the event is not known to be committed, the answer is 503 and the old password still holds."""

    async def fail(*_: object) -> None:
        raise JournalTimeout("the commit did not come within its deadline")

    with monkeypatch.context() as patched:
        patched.setattr(desk.core.journal, "append", fail)
        assert (await change_password(desk)).status == 503
    assert [await is_password(desk, each) for each in (OLD, NEW)] == [True, False]
    assert notice(await change_password(desk)) == "password_changed"


async def test_without_a_password_there_is_none_to_change(core: Core) -> None:
    """Who signs in by a passkey alone is told so."""
    person = await register_person(core, "max")
    async with client_of_app(core) as http:
        browser = await signed_in(core, http, person, ("pop", "user"))
        page = await browser.get("/account/password")
        assert (page.status, "has no password" in page.text) == (400, True)

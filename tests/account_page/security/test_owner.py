from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from schema.envelope import Context
from schema.events import AccountSignedOut, RoleGranted, SessionRenewed
from schema.streams import account_stream
from service.account_page.security import RECENT
from service.bootstrap import open_worker
from service.browser.cookies import SESSION
from service.journal.port import Append, Appended
from service.sessions.end import end_session
from service.settings import Settings
from service.tokens.handles import SESSION as SESSION_HANDLE
from service.tokens.handles import new_handle, parse_handle
from tests.account_page.security.desk import (
    NEW,
    OLD,
    Desk,
    add_passkey,
    asked_to_sign_in,
    begin,
    change_password,
    codes_of,
    is_password,
    new_device,
    notice,
    problem,
)
from tests.people import Browser, Page

ACTIONS: list[tuple[str, dict[str, str]]] = [
    ("/account/password", {"old_password": OLD, "new_password": NEW, "repeat": NEW}),
    ("/account/totp", {"action": "begin"}),
    ("/account/totp", {"action": "remove"}),
    ("/account/recovery-codes", {}),
    ("/account/passkeys", {"action": "remove", "credential_id": "x"}),
]


@pytest.mark.parametrize(("path", "fields"), ACTIONS)
async def test_who_signed_in_long_ago_signs_in_first(desk: Desk, path: str, fields: dict[str, str]) -> None:
    """An hour-old session changes nothing, and its page asks for a sign-in of the same person."""
    old = await desk.again(("pwd",), int(time.time()) - RECENT - 1)
    csrf = (await old.browser.get("/account")).forms[0].fields["csrf"]
    head = await desk.core.journal.head()
    request = asked_to_sign_in(desk, await old.browser.post(path, {**fields, "csrf": csrf}))
    assert (request.return_to, request.name) == ("/account", "zoe")
    assert await desk.events(head) == []


@pytest.mark.parametrize(("path", "fields"), ACTIONS)
async def test_who_has_not_signed_in_signs_in_first(desk: Desk, path: str, fields: dict[str, str]) -> None:
    """Nobody's browser changes nothing."""
    request = asked_to_sign_in(desk, await Browser(desk.http).post(path, fields))
    assert (request.return_to, request.name) == ("/account", "")


@pytest.mark.parametrize(("path", "fields"), ACTIONS)
async def test_a_form_of_another_site_does_nothing(desk: Desk, path: str, fields: dict[str, str]) -> None:
    """Neither without the token, nor with one of another session, nor from another origin."""
    other = await desk.again(("pwd",))
    csrf, foreign = [(await each.browser.get("/account")).forms[0].fields["csrf"] for each in (desk, other)]
    head = await desk.core.journal.head()
    pages = (
        await desk.browser.post(path, fields),
        await desk.browser.post(path, {**fields, "csrf": foreign}),
        await desk.browser.post(path, {**fields, "csrf": csrf}, headers={"origin": "https://evil.example"}),
    )
    assert [page.status for page in pages] == [400] * 3
    assert [each.type for each in await desk.events(head)] == ["access.rejected"] * 3
    assert await is_password(desk, OLD)


@pytest.mark.parametrize("path", ["/account/totp", "/account/recovery-codes", "/account/passkeys"])
async def test_a_link_changes_nothing(desk: Desk, path: str) -> None:
    """Actions are posts."""
    assert (await desk.browser.get(path, action="remove")).status == 405


async def test_another_change_in_between_is_seen(
    desk: Desk, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change by another worker that this one has not heard of yet: it is read, and the form is decided anew."""
    page, app = await begin(desk)
    append, stream = desk.core.journal.append_with, account_stream("zoe")

    async def after_another(request: Append, *vault: Any) -> Appended:
        monkeypatch.undo()
        granted = RoleGranted(subject=desk.person.subject, role="reader")
        await second.journal.append(Append(stream, request.expected_version, (granted,)))
        return await append(request, *vault)

    async with open_worker(settings) as second:
        monkeypatch.setattr(desk.core.journal, "append_with", after_another)
        assert notice(await desk.browser.submit(page.form("/account/totp"), code=app.now())) == "totp_added"
    assert (desk.account.has_totp, desk.account.roles) == (True, frozenset({"reader"}))


async def test_a_session_that_ends_meanwhile_changes_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody signs the account out while its password is being changed: the change is refused."""
    hashing = desk.core.passwords.hash

    async def then_signed_out(subject: str, password: str) -> Any:
        kept = await hashing(subject, password)
        await desk.append(AccountSignedOut(subject=subject))
        return kept

    monkeypatch.setattr(desk.core.passwords, "hash", then_signed_out)
    assert "signed out meanwhile" in problem(await change_password(desk))
    assert (await is_password(desk, OLD), await desk.reasons()) == (True, ["session_over"])


async def _change(desk: Desk, kind: str) -> Page:
    """A change of the account that its session goes on from."""
    if kind == "password":
        return await change_password(desk)
    if kind == "passkey":
        return await add_passkey(desk, new_device(desk))
    page, app = await begin(desk)
    return await desk.browser.submit(page.form("/account/totp"), code=app.now())


def _before_renewal(desk: Desk, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Awaitable[None]]) -> None:
    """Let something happen right before the session is renewed."""
    append = desk.core.journal.append

    async def after_it(request: Append) -> Appended:
        if any(isinstance(event, SessionRenewed) for event in request.events):
            monkeypatch.setattr(desk.core.journal, "append", append)
            await happens()
        return await append(request)

    monkeypatch.setattr(desk.core.journal, "append", after_it)


@pytest.mark.parametrize("kind", ["password", "passkey", "totp"])
async def test_a_session_that_ended_does_not_come_back(desk: Desk, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Ended while a change was under way, it stays ended: nobody is signed in without a proof, at any worker."""
    cookie, head = desk.browser.cookies[SESSION], await desk.core.journal.head()

    async def ended() -> None:
        last = await end_session(desk.core, Context(), parse_handle(SESSION_HANDLE, cookie), "ended_by_person")
        await desk.core.follower.settled(last or 0)

    _before_renewal(desk, monkeypatch, ended)
    page = await _change(desk, kind)
    assert "signed out meanwhile" in problem(page)
    assert await desk.reasons() == ["session_over"]
    types = [each.type for each in await desk.events(head) if each.type.startswith("session.")]
    assert (types, desk.browser.cookies.get(SESSION)) == (["session.ended"], None)
    for each in (page.headers, (await desk.browser.get("/account")).headers):
        assert "tly_ss_" not in str(each)
    desk.browser.cookies[SESSION] = cookie
    assert (await desk.browser.get("/account")).status == 303


async def test_a_cookie_that_was_replaced_does_not_come_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who signs in again gets another cookie; a change under the one before gives nobody the session back."""
    session_id = parse_handle(SESSION_HANDLE, desk.browser.cookies[SESSION])
    handle = new_handle(SESSION_HANDLE, session_id)

    async def renewed() -> None:
        now, session = int(time.time()), await desk.core.sessions.reload(session_id)
        again = SessionRenewed(
            subject=desk.person.subject,
            digest=desk.core.digester.digest(handle),
            auth_time=now,
            expires_at=now + 60,
            amr=("pwd",),
            acr="1fa",
        )
        appended = await desk.core.journal.append(Append(session_id, session.version, (again,)))
        await desk.core.follower.settled(appended.last)

    _before_renewal(desk, monkeypatch, renewed)
    page = await _change(desk, "passkey")
    assert (problem(page) != "", await desk.reasons()) == (True, ["session_over"])
    assert page.headers.get("set-cookie") is None
    assert (await desk.core.sessions.reload(session_id)).digest == desk.core.digester.digest(handle)


async def test_nothing_secret_is_recorded(desk: Desk) -> None:
    """Neither passwords, codes, secrets nor states are anywhere in the journal; every change has its actor."""
    device, head = new_device(desk), await desk.core.journal.head()
    page, app = await begin(desk)
    code = app.now()
    await desk.browser.submit(page.form("/account/totp"), code=code)
    codes = codes_of(await desk.submit("/account/recovery-codes"))
    await add_passkey(desk, device)
    await change_password(desk)
    events = await desk.events(head)
    text = "\n".join(each.data for each in events)
    secrets = (OLD, NEW, app.secret, f'"{code}"', page.form().fields["state"], desk.browser.cookies[SESSION], *codes)
    assert [each for each in secrets if each in text] == []
    assert {each.actor for each in events} == {f"account:{desk.person.subject}"}

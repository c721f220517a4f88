from __future__ import annotations

import logging
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from schema.events import AccountDisabled
from service.accounts import passwords
from service.accounts.passwords import PasswordsBusy
from service.accounts.text import normal_name, normal_password
from service.journal.port import Append, Appended, JournalUnavailable
from service.sign_in import password as sign_in_password
from tests.people import AGENT, Person, register_person
from tests.sign_in.conftest import PASSWORD, Answer, Door, change, sealed

OTHER = "pelican marble orchid 77"


async def test_the_right_password_signs_in(door: Door, zoe: Person) -> None:
    """The session is an event, the browser has it, and goes on to its account page."""
    answer = await door.sign_in("zoe")
    assert (answer.page.status, answer.page.headers["location"]) == (303, "/account")
    event = answer.event
    assert (event["subject"], event["amr"], event["acr"]) == (zoe.subject, ["pwd"], "1fa")
    assert (event["user_agent"], event["digest"]) == (AGENT, door.core.digester.digest(door.cookie))
    assert answer.events[0].actor == f"account:{zoe.subject}"
    assert answer.events[0].source == "127.0.0.1"
    assert event["expires_at"] - event["auth_time"] == door.core.settings.session_lifetime
    assert await door.whose() == "somebody"


async def test_a_name_may_be_typed_in_any_way_that_means_it(door: Door, zoe: Person) -> None:
    """Case and width of the letters do not matter; those of a password do."""
    assert (await door.sign_in("\uff3aoe", PASSWORD)).page.status == 303
    assert (await door.sign_in("zoe", PASSWORD.upper())).page.status == 400


async def test_it_goes_on_where_the_request_says(door: Door, zoe: Person) -> None:
    """To the path that was sealed, and no other."""
    answer = await door.sign_in("zoe", request=sealed(door.core))
    assert answer.page.headers["location"] == "/somewhere?a=b"


async def people_who_fail(door: Door) -> list[tuple[str, str, str]]:
    """A name, a password and the private reason of every kind of failure."""
    gone = await register_person(door.core, "gone", password=PASSWORD)
    await register_person(door.core, "empty")
    await change(door.core, gone, AccountDisabled(subject=gone.subject))
    return [
        ("zoe", "not it at all", "wrong_password"),
        ("nobody", PASSWORD, "unknown_name"),
        ("gone", PASSWORD, "account_disabled"),
        ("gone", "not it at all", "wrong_password"),
        ("empty", PASSWORD, "no_password"),
        ("not a name", PASSWORD, "unknown_name"),
        ("n" * 2_000, PASSWORD, "unknown_name"),
        ("zoe", "x" * 2_000, "wrong_password"),
    ]


async def test_every_failure_looks_the_same(door: Door, zoe: Person) -> None:
    """Status, headers, sentence and form are one; the private reason is for the audit."""
    tries = await people_who_fail(door)
    answers = [await door.sign_in(name, password) for name, password, _ in tries]
    assert [reason for *_, reason in tries] == [answer.event["reason"] for answer in answers]
    assert {answer.page.status for answer in answers} == {400}
    assert {answer.problem for answer in answers} == {"Name or password is wrong. Please try again."}
    assert len({_without(answer, name) for answer, (name, *_) in zip(answers, tries, strict=True)}) == 1


def _without(answer: Answer, name: str) -> str:
    """A page and its headers without what was typed and what is random."""
    forms = answer.page.forms
    random = [forms[0].fields["csrf"], *(form.fields.get("passkey_state", "") for form in forms)]
    text = re.sub(r"data-options=.*", "", answer.page.text.replace(name, "NAME"))
    for value in filter(None, random):
        text = text.replace(value, "RANDOM")
    headers = {key: value for key, value in answer.page.headers.items() if key != "content-length"}
    return f"{headers} {text}"


async def test_every_failure_costs_the_same_work(door: Door, zoe: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """One read of the vault and one Argon2 verification, whoever was named, so that time tells nothing."""
    tries = await people_who_fail(door)
    work: list[str] = []
    hasher, fetch = door.core.passwords._hasher, door.core.journal.fetch

    def verify(known: str, digest: bytes) -> bool:
        work.append("argon2")
        return hasher.verify(known, digest)

    async def fetching(query: str, *arguments: object) -> list[Any]:
        work.extend(["vault"] if "vault.passwords" in query else [])
        return await fetch(query, *arguments)

    monkeypatch.setattr(door.core.passwords, "_hasher", SimpleNamespace(verify=verify))
    monkeypatch.setattr(door.core.journal, "fetch", fetching)
    for name, password, reason in tries:
        work.clear()
        assert (await door.sign_in(name, password)).event["reason"] == reason
        assert work == ["vault", "argon2"], reason


async def test_the_audit_knows_the_account_and_no_name_that_is_nobodys(door: Door, zoe: Person) -> None:
    """An account by its subject; anything else as a keyed digest, for it may be a password in the wrong field."""
    wrong, nobody = (await door.sign_in("zoe", OTHER)).event, (await door.sign_in(OTHER.replace(" ", ""), OTHER)).event
    assert (wrong["subject"], wrong["method"]) == (zoe.subject, "pwd")
    assert "name_digest" not in wrong
    assert "subject" not in nobody
    assert nobody["name_digest"] == door.core.digester.digest("name\0" + OTHER.replace(" ", ""))


async def test_the_audit_knows_the_application_that_waits(door: Door, zoe: Person) -> None:
    """A failure on the way to an application is under its name."""
    answer = await door.sign_in("zoe", OTHER, sealed(door.core, client_id="web-app"))
    assert (answer.event["client_id"], answer.events[0].client) == ("web-app", "web-app")


async def test_too_many_passwords_at_once_are_told_to_wait(
    door: Door, zoe: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with Retry-After; nothing is known of the password, so nothing is said of it."""
    page = await door.browser.get("/sign-in")
    monkeypatch.setattr(door.core.passwords, "verify", _busy)
    before = await door.core.journal.head()
    answer = await door.browser.submit(page.form("/sign-in"), name="zoe", password=PASSWORD)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert await door.core.journal.head() == before


async def _busy(*_: object) -> bool:
    raise PasswordsBusy


async def test_a_missing_field_is_refused_and_counts_for_nobody(door: Door, zoe: Person) -> None:
    """A form without a name or password is no attempt."""
    for fields in ({"name": ""}, {"password": ""}):
        page = await door.browser.get("/sign-in")
        answer = await door.submit(page, "/sign-in", **({"name": "zoe", "password": PASSWORD} | fields))
        assert answer.event["reason"] == "missing_parameter"


async def test_more_factors_than_the_account_has_are_no_reason_to_refuse(door: Door, zoe: Person) -> None:
    """Who is asked for two factors and has one signs in by it; what it is worth is not decided here."""
    answer = await door.sign_in("zoe", request=sealed(door.core, acr="2fa"))
    assert (answer.page.headers["location"], answer.event["acr"]) == ("/somewhere?a=b", "1fa")


@pytest.mark.parametrize("password", [PASSWORD, OTHER])
async def test_without_its_event_there_is_no_answer(
    door: Door, zoe: Person, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """503 whether the password was right or not, and no session leaves."""
    page = await door.browser.get("/sign-in")

    async def unavailable(_: Append) -> Appended:
        raise JournalUnavailable("Postgres is away")

    monkeypatch.setattr(door.core.journal, "append", unavailable)
    answer = await door.browser.submit(page.form("/sign-in"), name="zoe", password=password)
    assert answer.status == 503
    assert "set-cookie" not in answer.headers


async def test_no_password_is_in_the_log(
    door: Door, zoe: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not of who signs in, not of who fails, and not when something breaks on the way."""
    caplog.set_level(logging.DEBUG)
    page = (await door.get("/sign-in")).page
    await door.submit(page, "/sign-in", name="zoe", password=OTHER)

    def broken(*_: object) -> bool:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(door.core.passwords, "_matches", broken)
        assert (await door.browser.submit(page.form("/sign-in"), name="zoe", password=PASSWORD)).status == 500
    await door.sign_in("zoe")
    assert "sign_in failed" in caplog.text
    assert [each for each in (PASSWORD, OTHER, door.cookie) if each in caplog.text] == []


async def test_what_is_too_long_takes_no_time(door: Door, zoe: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """The normal form of a text costs the loop's time: no more of one is looked at than an account may have."""
    lengths: list[int] = []

    def noted(normal: Callable[[str], str]) -> Callable[[str], str]:
        def noting(text: str) -> str:
            lengths.append(len(text))
            return normal(text)

        return noting

    monkeypatch.setattr(passwords, "normal_password", noted(normal_password))
    monkeypatch.setattr(sign_in_password, "normal_name", noted(normal_name))
    await door.sign_in("n" * 9_000, "p" * 9_000)
    await door.sign_in("zoe", "p" * 1_024)
    assert lengths == [256, 0, 3, 1_024]

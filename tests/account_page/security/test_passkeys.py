from __future__ import annotations

import asyncio
import json

from schema.events import PasskeyRemoved
from service.accounts.factors import Factors
from service.bootstrap import open_worker
from service.browser.cookies import BROWSER
from service.settings import Settings
from tests.account_page.security.desk import (
    Desk,
    add_passkey,
    new_device,
    notice,
    passkey_form,
    problem,
)
from tests.authenticator import USER_PRESENT
from tests.endpoints.world import client_of_app
from tests.people import register_person, signed_in


async def test_a_passkey_is_added_and_removed(desk: Desk) -> None:
    """It has the name that the person gave it, signs in alone, and no more once it is removed."""
    device = new_device(desk)
    assert notice(await add_passkey(desk, device, "Zoë's <phone>")) == "passkey_added"
    assert "Zoë&#39;s &lt;phone&gt;" in (await desk.browser.get("/account")).text
    factors = Factors(desk.core)
    browser = desk.browser.cookies[BROWSER]
    options, state = factors.passkey_request(browser)
    assert await factors.verify_passkey(browser, state, device.get(options)) is not None
    assert notice(await desk.submit("/account/passkeys", "remove")) == "passkey_removed"
    options, state = factors.passkey_request(browser)
    assert await factors.verify_passkey(browser, state, device.get(options)) is None
    assert (desk.account.passkeys, desk.account.has_second_factor) == ((), False)


async def test_adding_a_passkey_makes_this_session_strong(desk: Desk) -> None:
    """It has just verified the person here."""
    await add_passkey(desk, new_device(desk))
    assert (await desk.submit("/account/recovery-codes")).status == 200
    renewed = json.loads([each for each in await desk.events() if each.type == "session.renewed"][-1].data)
    assert (renewed["amr"], renewed["acr"]) == (["pwd", "pop", "user"], "phr")


async def test_a_passkey_without_verification_is_not_added(desk: Desk) -> None:
    """What may sign in alone must be two factors by itself."""
    device = new_device(desk)
    device.flags = USER_PRESENT
    assert "could not be added" in problem(await add_passkey(desk, device))
    assert (desk.account.passkeys, await desk.reasons()) == ((), ["passkey_refused"])


async def test_a_passkey_is_added_once(desk: Desk) -> None:
    """Neither twice to one account, nor to a second one, nor once more by the same answer after it was removed."""
    device = new_device(desk)
    form, options = await passkey_form(desk)
    answer = device.create(options)
    assert notice(await desk.browser.submit(form, credential=answer)) == "passkey_added"
    assert "could not be added" in problem(await desk.browser.submit(form, credential=answer))
    max_ = await register_person(desk.core, "max")
    someone = desk._replace(person=max_, browser=await signed_in(desk.core, desk.http, max_))
    assert "could not be added" in problem(await add_passkey(someone, device))
    await desk.submit("/account/passkeys", "remove")
    assert "could not be added" in problem(await desk.browser.submit(form, credential=answer))
    assert desk.account.passkeys == ()


async def test_of_two_who_add_one_passkey_one_has_it(desk: Desk, settings: Settings) -> None:
    """Two accounts at two workers, at the same moment: whoever signs in by it is one person, and it can be removed."""
    device, max_ = new_device(desk), await register_person(desk.core, "max")
    async with open_worker(settings) as second, client_of_app(second) as http:
        there = Desk(second, http, max_, await signed_in(second, http, max_))
        await second.follower.refresh()
        pages = await asyncio.gather(add_passkey(desk, device), add_passkey(there, device))
        assert sorted(page.status for page in pages) == [303, 400]
        await desk.core.follower.refresh()
        assert len(desk.account.passkeys) + len(there.account.passkeys) == 1


async def test_an_account_has_so_many_passkeys_and_no_more(desk: Desk) -> None:
    """Somebody who adds without end is stopped."""
    for number in range(20):
        assert notice(await add_passkey(desk, new_device(desk), f"number {number}")) == "passkey_added"
    assert "at most 20" in problem(await add_passkey(desk, new_device(desk)))
    assert len(desk.account.passkeys) == 20


async def test_a_removed_passkey_is_told(desk: Desk) -> None:
    """One that is gone already, and one of somebody else."""
    await add_passkey(desk, new_device(desk))
    form = await desk.form("/account/passkeys", action="remove")
    (passkey,) = desk.account.passkeys
    await desk.append(PasskeyRemoved(subject=desk.person.subject, credential_id=passkey.credential_id))
    assert "no such passkey" in problem(await desk.browser.submit(form))
    assert await desk.reasons() == ["unknown_passkey"]


async def test_a_name_that_deceives_is_made_plain(desk: Desk) -> None:
    """No invisible characters, no more than 64, and nothing that looks like a token of ours; never empty."""
    for label in ("\u202eenohp", "x" * 200, f"tly_rt_{'a' * 40}", "\u200b"):
        await add_passkey(desk, new_device(desk), label)
    assert [each.label for each in desk.account.passkeys] == ["enohp", "x" * 64, "tly_rt_...", "Passkey"]

from __future__ import annotations

from schema.envelope import Context
from service.accounts.factors import Factors
from tests.account_page.security.desk import (
    Desk,
    add_passkey,
    add_totp,
    codes_of,
    new_device,
    problem,
)


async def test_recovery_codes_are_shown_once_and_replaced(desk: Desk) -> None:
    """Ten, each good once; new ones end the old ones."""
    await add_totp(desk)
    first, second = [codes_of(await desk.submit("/account/recovery-codes")) for _ in range(2)]
    assert (len(set(first)), len(set(second))) == (10, 10)
    factors = Factors(desk.core)
    assert not await factors.use_recovery_code(desk.account, first[0], Context())
    assert await factors.use_recovery_code(desk.account, second[0], Context())
    assert "9 left" in (await desk.browser.get("/account")).text


async def test_without_another_factor_there_are_no_recovery_codes(desk: Desk) -> None:
    """There is nothing that they would stand in for: the page offers none, and who asks all the same is refused."""
    page = await desk.browser.get("/account")
    assert [form for form in page.forms if form.action.endswith("/account/recovery-codes")] == []
    csrf = page.forms[0].fields["csrf"]
    assert "stand in for" in problem(await desk.browser.post("/account/recovery-codes", {"csrf": csrf}))
    assert (desk.account.recovery_digests, await desk.reasons()) == (frozenset(), ["no_second_factor"])


async def test_with_the_last_factor_the_recovery_codes_go(desk: Desk) -> None:
    """Not with the last but one."""
    device = new_device(desk)
    await add_totp(desk)
    await add_passkey(desk, device)
    await desk.submit("/account/recovery-codes")
    await desk.submit("/account/totp", "remove")
    assert len(desk.account.recovery_digests) == 10
    await desk.submit("/account/passkeys", "remove")
    assert (desk.account.recovery_digests, desk.account.has_second_factor) == (frozenset(), False)
    assert [each.type for each in await desk.events()][-2:] == ["account.passkey_removed", "account.recovery_codes_set"]

"""A device that asks whether somebody has decided (RFC 8628 section 3.5), at whichever worker."""

from __future__ import annotations

import asyncio
import json

import pytest
from prometheus_client import REGISTRY

from service.device.polls import forget_devices
from tests.device.world import AGENT, Codes, Devices, decide

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def error(devices: Devices, codes: Codes) -> str:
    """What a device is told now."""
    answer = await devices.poll(codes.device_code)
    assert answer.status_code == 400
    told: str = answer.json()["error"]
    return told


async def test_device_that_asks_too_soon_must_wait_longer_at_every_worker(devices: Devices, second: Devices) -> None:
    """Each time it asks too soon its interval grows by five seconds (section 3.5), whoever it asks."""
    codes = await devices.begin()
    assert await error(devices, codes) == "authorization_pending"
    assert await error(second, codes) == "slow_down"  # from now on ten seconds
    await devices.wait(codes.device_code, 8)
    assert await error(devices, codes) == "slow_down"  # fifteen
    await devices.wait(codes.device_code, 7)
    assert await error(second, codes) == "authorization_pending"
    await devices.wait(codes.device_code, 13)
    assert await error(devices, codes) == "slow_down"  # twenty
    await devices.wait(codes.device_code, 7)
    assert await error(devices, codes) == "authorization_pending"


async def test_device_that_asks_in_time_is_never_slowed(devices: Devices, second: Devices) -> None:
    """A device that keeps the interval is told to wait as often as it asks; a little less than it is no offence."""
    codes = await devices.begin()
    for ask in (devices, second, devices, second):
        assert await error(ask, codes) == "authorization_pending"
        await devices.wait(codes.device_code, 4.7)


async def test_of_many_questions_at_once_one_is_in_time(devices: Devices, second: Devices) -> None:
    """Asking at many workers at once gains nothing."""
    codes = await devices.begin()
    asked = [error((devices, second)[number % 2], codes) for number in range(20)]
    told = await asyncio.gather(*asked)
    assert (told.count("authorization_pending"), told.count("slow_down")) == (1, 19)


async def test_waiting_is_counted_and_no_refusal(devices: Devices) -> None:
    """`authorization_pending` is no event, but a figure; `slow_down` is a refusal with its receipt."""

    def count() -> float:
        return REGISTRY.get_sample_value("tallystick_device_waits_total", {"client": "tv"}) or 0.0

    codes = await devices.begin()
    after, before = await devices.core.journal.head(), count()
    assert await error(devices, codes) == "authorization_pending"
    assert (await devices.events(after), count() - before) == ([], 1.0)
    assert await error(devices, codes) == "slow_down"
    (event,) = await devices.events(after)
    data = json.loads(event.data)
    assert (data["endpoint"], data["error"], data["reason"]) == ("token", "slow_down", "polled_too_soon")
    assert (event.actor, data["client_id"], data["user_agent"], count() - before) == ("tv", "tv", AGENT, 1.0)


async def test_tokens_come_however_soon_they_are_asked_for(devices: Devices) -> None:
    """Once a person has decided the device need not wait any more."""
    _, browser = await devices.person()
    codes = await devices.begin()
    await devices.poll(codes.device_code)
    await decide(browser, codes.user_code)
    assert (await devices.poll(codes.device_code)).status_code == 200


async def test_decision_at_one_worker_is_known_at_the_other(devices: Devices, second: Devices) -> None:
    """The device may ask another worker than the one that the person decided at."""
    _, browser = await devices.person()
    codes = await second.begin()
    await decide(browser, codes.user_code)
    answer = await second.poll(codes.device_code)
    while answer.json().get("error") in {"authorization_pending", "slow_down"}:  # its feed is a moment behind
        await second.wait(codes.device_code, 60)
        answer = await second.poll(codes.device_code)
    assert answer.status_code == 200


async def test_expired_code_is_told(devices: Devices) -> None:
    """After its lifetime a code gets `expired_token`, approved or not."""
    codes = await devices.begin_expired()
    after = await devices.core.journal.head()
    assert await error(devices, codes) == "expired_token"
    assert (await devices.rejection(after))["reason"] == "device_code_expired"


async def test_code_expires_though_it_was_approved(devices: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    """An approval does not make a code live longer."""
    _, browser = await devices.person()
    codes = await devices.begin()
    await decide(browser, codes.user_code)
    now = codes.issued_at + 600
    monkeypatch.setattr("service.grants.clock.now", lambda: now)
    assert await error(devices, codes) == "expired_token"


async def test_old_devices_are_forgotten(devices: Devices) -> None:
    """What was noted of a device goes once its codes are long dead, and not before."""
    _, browser = await devices.person()
    old, young = await devices.begin(), await devices.begin()
    for codes in (old, young):
        await devices.poll(codes.device_code)
        await decide(browser, codes.user_code)
    await devices.wait(old.device_code, 7_300)
    statement = "UPDATE runtime.device_looks SET looked_at = now() - interval '3 hours' WHERE grant_id = $1"
    await devices.core.journal.fetch(statement, old.grant_id)
    await forget_devices(devices.core.journal)
    for table in ("device_polls", "device_looks"):
        rows = await devices.core.journal.fetch(f"SELECT grant_id FROM runtime.{table}")  # noqa: S608 constant
        kept = {row["grant_id"] for row in rows}
        assert (old.grant_id in kept, young.grant_id in kept) == (False, True)

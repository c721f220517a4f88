"""What nobody thought of: an attempt, or an endpoint, that ends by a mistake of the program."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from aiohttp import web

from consumers.webhooks import dispatcher
from consumers.webhooks.endpoint import Endpoint
from consumers.webhooks.sender import Answer, Sender
from tests.webhooks.receiver import Received, Receiver
from tests.webhooks.world import World, until

OVERFLOWING = "Mon, 01 Jan 2026 00:00:00 +99999999999999999"


async def test_a_hostile_retry_after_is_a_failure_of_its_event_alone(world: World, receiver: Receiver) -> None:
    """A date beyond all calendars: the event is given up after its attempts, and the others are sent once."""
    await world.register("siem", receiver.url)
    first, *others = await world.happen("a", "b", "c", "d")

    def answer(received: Received) -> web.Response:
        hostile = received.position == first
        return web.Response(status=503, headers={"retry-after": OVERFLOWING}) if hostile else web.Response(status=204)

    receiver.answer = answer
    async with world.sending(attempts=1):
        await until(lambda: _all_settled(world, [first]))
    assert sorted([first, *others]) == sorted(each.position for each in receiver.received)


@pytest.mark.parametrize("mistake", [RuntimeError("sender"), asyncio.CancelledError()])
async def test_a_mistake_in_an_attempt_is_a_failure_of_its_event_alone(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, mistake: BaseException
) -> None:
    """Whatever an attempt raises: it is counted, told, and given up in the end; the endpoint goes on."""
    await world.register("siem", receiver.url)
    first, *others = await world.happen("a", "b", "c", "d")
    attempts = 0

    async def mistaken(sender: Sender, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        nonlocal attempts
        if headers["webhook-id"] == f"evt_{first}":
            attempts += 1
            raise mistake
        return await send(sender, url, headers, body)

    send = Sender.send
    monkeypatch.setattr(Sender, "send", mistaken)
    async with world.sending(attempts=1) as task:
        await until(lambda: _all_settled(world, [first]))
        assert not task.done()
    told = await world.rows("SELECT reason FROM webhook.dead_letters")
    assert (sorted(receiver.positions), attempts) == (others, 1)
    assert told == [(f"a mistake of this program, which its log tells: {type(mistake).__name__}",)]


@pytest.mark.parametrize("mistake", [RuntimeError("endpoint"), asyncio.CancelledError()])
async def test_an_endpoint_that_stopped_says_so_and_is_started_again(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, mistake: BaseException
) -> None:
    """It is halted, as readiness shows, while other webhooks go on; then it is tried again, and nothing is lost."""
    await world.register("siem", receiver.url)
    await world.register("other", receiver.url.replace("/events", "/other"))
    broken = True

    async def taken(endpoint: Endpoint) -> None:
        if broken and endpoint.webhook.name == "siem":
            raise mistake
        await take(endpoint)

    take = Endpoint._take
    monkeypatch.setattr(Endpoint, "_take", taken)
    monkeypatch.setattr(dispatcher, "_AFTER_CRASH", 1.0)
    positions = await world.happen("a", "b")
    async with world.sending():
        await until(lambda: _is(world, "halted", dispatcher._STOPPED))
        await until(lambda: [each.path for each in receiver.received] == ["/other", "/other"])
        broken = False
        await until(lambda: _is(world, "running", ""))
        await until(lambda: len(receiver.received) == 4)
    assert positions == sorted(each.position for each in receiver.received if each.path == "/events")


async def _is(world: World, state: str, reason: str) -> bool:
    return (await world.progress())[1:] == (state, reason)


async def _all_settled(world: World, dead: list[int]) -> bool:
    return (await world.dead(), await world.pending()) == (dead, [])

"""`410 Gone`: an endpoint that wants nothing more, ever (Standard Webhooks)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from consumers.webhooks.registry import GONE, Webhook
from consumers.webhooks.sender import Answer, Sender
from schema.events import WebhookDisabled, WebhookEnabled, WebhookRemoved
from schema.streams import webhook_stream
from service.journal.port import Append, Appended, JournalUnavailable
from service.webhooks.role import disable_gone
from tests.webhooks.receiver import Receiver
from tests.webhooks.world import World, until


async def test_gone_disables_once_and_loses_nothing(world: World, receiver: Receiver) -> None:
    """410 is an event with the webhook as its actor, once; enabled again, all comes."""
    await world.register("siem", receiver.url)
    receiver.answer = lambda _: 410
    positions = await world.happen("a", "b", "c")
    async with world.sending(attempts=1):
        await until(lambda: _says(world, f"disabled: {GONE}"))
        stream = await world.journal.read_stream(webhook_stream("siem"))
        assert [(each.type, each.actor) for each in stream] == [
            ("webhook.registered", "tallystick"),
            ("webhook.disabled", "webhook:siem"),
        ]
        assert (positions, []) == (await world.pending(), await world.dead())
        receiver.answer = lambda _: 204
        await world.change(WebhookEnabled(name="siem"))
        await until(lambda: sorted(receiver.positions) == positions)


async def test_gone_is_heard_among_other_answers(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several attempts that end at once any may be the one that says so."""
    await world.register("siem", receiver.url)
    positions = await world.happen("a", "b", "c")
    together = asyncio.Barrier(3)

    async def at_once(sender: Sender, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        async with asyncio.timeout(30):
            await together.wait()
        return Answer(410 if headers["webhook-id"] == f"evt_{positions[1]}" else 500, "it failed")

    monkeypatch.setattr(Sender, "send", at_once)
    async with world.sending():
        await until(lambda: _says(world, f"disabled: {GONE}"))


async def test_nothing_more_is_sent_once_it_is_disabled(world: World, receiver: Receiver) -> None:
    """Not even until the dispatcher hears of that event."""
    receiver.answer = lambda _: 410
    await world.register("siem", receiver.url)
    await world.happen("a", "b", "c")

    async def done(_: Webhook) -> bool:
        return True

    async with world.sending(disable=done, at_once=1):
        await until(lambda: len(receiver.received) == 1)
        (last,) = await world.happen("d")
        await until(lambda: _has_read(world, last))
        await world.later(100_000)
        (last,) = await world.happen("e")
        await until(lambda: _has_read(world, last))
    assert len(receiver.received) == 1


async def test_what_could_not_be_disabled_is_sent_to_again_later(world: World, receiver: Receiver) -> None:
    """While the journal takes no events it is a failure like any other, and the endpoint is asked again."""
    receiver.answer = lambda _: 410
    await world.register("siem", receiver.url)
    await world.happen("a")
    asked = 0

    async def not_at_first(webhook: Webhook) -> bool:
        nonlocal asked
        asked += 1
        return asked > 1 and await disable_gone(world.journal, webhook)

    async with world.sending(disable=not_at_first):
        await until(lambda: _attempts_are(world, 1))
        assert (await world.registered()).by_name["siem"].enabled
        await world.later(10)
        await until(lambda: _says(world, f"disabled: {GONE}"))
    assert (asked, len(receiver.received)) == (2, 2)


async def test_who_was_removed_or_disabled_meanwhile_is_left_alone(world: World) -> None:
    """An answer that comes late disables neither another of its name nor one that is disabled."""
    await world.register("siem", "https://hooks.example.com/")
    gone = (await world.registered()).by_name["siem"]
    await world.change(WebhookDisabled(name="siem", reason="maintenance"))
    assert await disable_gone(world.journal, gone)
    await world.change(WebhookRemoved(name="siem"))
    assert await disable_gone(world.journal, gone)
    await world.register("siem", "https://hooks.example.com/other")
    assert await disable_gone(world.journal, gone)
    assert (await world.registered()).by_name["siem"].enabled
    types = [each.type for each in await world.journal.read_stream(webhook_stream("siem"))]
    assert types == ["webhook.registered", "webhook.disabled", "webhook.removed", "webhook.registered"]


async def test_a_journal_that_takes_no_event_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not disabled, and whoever asked hears so."""

    async def full(_: Append) -> Appended:
        raise JournalUnavailable("no room is left")

    await world.register("siem", "https://hooks.example.com/")
    gone = (await world.registered()).by_name["siem"]
    monkeypatch.setattr(world.journal, "append", full)
    assert not await disable_gone(world.journal, gone)


async def _says(world: World, reason: str) -> bool:
    return (await world.progress())[2] == reason


async def _has_read(world: World, position: int) -> bool:
    return (await world.progress())[0] >= position


async def _attempts_are(world: World, attempts: int) -> bool:
    return (attempts,) in await world.rows("SELECT max(attempts) FROM webhook.pending")

"""What arrives at an endpoint: everything that it wants, in order, at least once."""

from __future__ import annotations

import json

import pytest
from standardwebhooks import WebhookVerificationError

from consumers.webhooks.message import CONTENT_TYPE
from schema.events import ClientEnabled, WebhookDisabled, WebhookEnabled, WebhookRemoved, WebhookUpdated
from schema.streams import client_stream, entity_stream
from service.journal.port import Append
from tests.conftest import ISSUER
from tests.journal.benches import owner_session
from tests.servers import Database
from tests.webhooks.receiver import Receiver, open_receiver
from tests.webhooks.world import World, until


async def test_an_event_arrives_signed_and_as_a_cloud_event(world: World, receiver: Receiver) -> None:
    """The message verifies with Standard Webhooks' own library, and is a CloudEvent with the event's JSON as data."""
    (position,) = await world.happen("billing")
    await world.register("siem", receiver.url)
    async with world.sending():
        await until(lambda: receiver.positions == [position])
    (message,) = receiver.received
    event = message.verified()
    assert (
        event.pop("time"),
        event.pop("timestamp"),
        event.pop("data"),
        event,
        message.headers["Content-Type"],
        message.headers["webhook-id"],
    ) == (
        event_time(json.loads(message.body)),
        event_time(json.loads(message.body)),
        {"client_id": "billing"},
        {
            "specversion": "1.0",
            "id": str(position),
            "source": ISSUER,
            "type": "tallystick.client.enabled.v1",
            "subject": str(client_stream("billing")),
            "datacontenttype": "application/json",
            "version": "1",
            "actor": "tallystick",
        },
        CONTENT_TYPE,
        f"evt_{position}",
    )
    assert message.headers["User-Agent"].startswith("tallystick/")


def event_time(body: dict[str, str]) -> str:
    """The time of an event, which is UTC."""
    assert body["time"].endswith("Z")
    return body["time"]


async def test_a_changed_body_does_not_verify(world: World, receiver: Receiver) -> None:
    """The signature is of the very bytes."""
    await world.happen("billing")
    await world.register("siem", receiver.url)
    async with world.sending():
        await until(lambda: len(receiver.taken) == 1)
    changed = receiver.taken[0]._replace(body=receiver.taken[0].body.replace(b"billing", b"bi11ing"))
    with pytest.raises(WebhookVerificationError):
        changed.verified()


async def test_only_what_is_wanted_arrives(world: World, receiver: Receiver) -> None:
    """Types and clients filter; what is filtered out moves the position and nothing else."""
    await world.register("siem", receiver.url, types=("client.en?bled", "key.*"), clients=("billing",))
    await world.register("other", receiver.url, types=("client_enabled", "key.*"))
    await world.happen("shop", "billing", "shop", "billing", "shop")
    head = await world.journal.head()

    async def seen() -> bool:
        return (await world.progress())[0] == head and (await world.progress("other"))[0] == head

    async with world.sending():
        await until(seen)
        await until(lambda: receiver.positions == [4, 6])
        await until(lambda: _waits(world, 0))
        await until(lambda: _is(world, "running", ""))


async def test_it_begins_where_it_was_registered_to(world: World, receiver: Receiver) -> None:
    """Events up to `after` are not sent."""
    positions = await world.happen("a", "b", "c")
    await world.register("siem", receiver.url, after=positions[1])
    async with world.sending():
        await until(lambda: receiver.positions == positions[2:])


async def test_disabled_it_is_sent_nothing_and_enabled_everything(world: World, receiver: Receiver) -> None:
    """What happens while it is disabled comes when it is enabled."""
    await world.register("siem", receiver.url)
    async with world.sending():
        first = await world.happen("a")
        await until(lambda: receiver.positions == first)
        await world.change(WebhookDisabled(name="siem", reason="maintenance"))
        await until(lambda: _is(world, "running", "disabled: maintenance"))
        meanwhile = await world.happen("a", "b", "a")
        await until(lambda: _is(world, "running", "disabled: maintenance"))
        assert first == receiver.positions
        await world.change(WebhookEnabled(name="siem"))
        await until(lambda: sorted(receiver.positions) == [*first, *meanwhile])


async def test_an_updated_webhook_is_sent_to_its_new_address(world: World, receiver: Receiver) -> None:
    """Settings take effect at once, and what waits goes to the new address."""
    receiver.answer = lambda _: 500
    await world.register("siem", receiver.url)
    positions = await world.happen("a")
    async with world.sending(), open_receiver() as other:
        await until(lambda: len(receiver.received) == 1)
        await world.change(WebhookUpdated(name="siem", url=other.url, types=("client.*",)))
        await until(lambda: other.positions == positions)


async def test_a_removed_webhook_leaves_nothing_and_its_name_is_free(world: World, receiver: Receiver) -> None:
    """What waited for a removed webhook is not sent to another of its name, even if nothing ran meanwhile."""
    receiver.answer = lambda _: 500
    await world.register("siem", receiver.url)
    await world.happen("a", "b")
    async with world.sending():
        await until(lambda: _waits(world, 2))
    await world.change(WebhookRemoved(name="siem"))
    receiver.answer = lambda _: 204
    head = await world.journal.head()
    await world.register("siem", receiver.url, after=head)
    later = await world.happen("c")
    async with world.sending():
        await until(lambda: receiver.positions == later)
        await until(lambda: _waits(world, 0))


async def test_the_rows_of_a_removed_webhook_go(world: World, receiver: Receiver) -> None:
    """Readiness no longer shows a webhook that is removed."""
    await world.register("siem", receiver.url)
    async with world.sending():
        await until(lambda: _is(world, "running", ""))
        await world.change(WebhookRemoved(name="siem"))
        await until(lambda: _is(world, "none", ""))


async def test_one_that_hangs_delays_no_other(world: World, receiver: Receiver) -> None:
    """An endpoint that never answers takes nothing from another."""
    async with open_receiver() as silent:
        silent.hanging = True
        await world.register("silent", silent.url)
        await world.register("siem", receiver.url)
        positions = await world.happen(*(f"c{number}" for number in range(40)))
        async with world.sending(timeout=60):
            await until(lambda: sorted(receiver.positions) == positions)
            await until(lambda: silent.under_way == 8)
            positions += await world.happen("later")
            await until(lambda: sorted(receiver.positions) == positions)
    assert silent.most_under_way == 8


async def test_what_waits_is_bounded(world: World, receiver: Receiver) -> None:
    """With too much waiting the position stands still; all arrives once the endpoint is well."""
    receiver.answer = lambda _: 503
    await world.register("siem", receiver.url)
    positions = await world.happen(*(f"c{number % 7}" for number in range(60)))
    async with world.sending(pending_limit=20):
        await until(lambda: _waits(world, 20))
        assert positions[19] == (await world.progress())[0]
        receiver.answer = lambda _: 204
        await world.later(600)
        await until(lambda: sorted(receiver.positions) == positions)
        await until(lambda: _waits(world, 0))


async def test_poison_halts_and_is_not_skipped(world: World, receiver: Receiver, database: Database) -> None:
    """An event that cannot be read stops its webhook where it is, after all that was before it; others go on."""
    await world.register("siem", receiver.url)
    await world.register("other", receiver.url, clients=("a",))
    before = await world.happen("b", "b")
    await put_in(database, before[-1] + 1, "client.from_the_future")
    after = await world.journal.append(Append(client_stream("a"), 0, (ClientEnabled(client_id="a"),)))
    reason = f"event {before[-1] + 1} (client.from_the_future) cannot be read: UnknownEventType"
    async with world.sending():
        await until(lambda: _is(world, "halted", reason))
        await until(lambda: sorted(receiver.positions) == [*before, after.last])
        await world.happen("b")
        await until(lambda: _is(world, "halted", reason))
    assert (before[-1], [*before, after.last]) == ((await world.progress())[0], sorted(receiver.positions))


async def test_a_registration_that_cannot_be_read_halts_all(
    world: World, receiver: Receiver, database: Database
) -> None:
    """It may be one that forbids something: nothing is sent past it."""
    await world.register("siem", receiver.url)
    head = await world.journal.head()
    async with world.sending():
        await until(lambda: _is(world, "running", ""))
        await put_in(database, head + 1, "webhook.from_the_future")
        await world.happen("a")
        reason = f"event {head + 1} (webhook.from_the_future) cannot be read: UnknownEventType"
        await until(lambda: _is(world, "halted", reason))
    assert receiver.received == []


async def put_in(database: Database, position: int, kind: str) -> None:
    """Put an event of a later version into the journal."""
    async with owner_session(database) as owner:
        await owner.execute("UPDATE journal.head SET position = $1", position)
        await owner.execute(
            "INSERT INTO journal.events VALUES ($1, $2, 1, $3, '_', '{}', 'x', NULL, NULL, now())",
            position,
            entity_stream("test", kind),
            kind,
        )


async def _is(world: World, state: str, reason: str) -> bool:
    return (await world.progress())[1:] == (state, reason)


async def _waits(world: World, count: int) -> bool:
    return len(await world.pending()) == count

"""What an endpoint that fails does to its events: tried again, given up, put back, never lost."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from schema.events import WebhookDisabled
from service.journal.postgres import connect
from service.webhooks.letters import redeliver
from tests.webhooks.receiver import Received, Receiver
from tests.webhooks.world import World, until


def failing(position: int) -> Callable[[Received], int]:
    """An endpoint that does not take one event."""
    return lambda received: 500 if received.position == position else 204


async def test_one_that_fails_holds_up_its_stream_alone(world: World, receiver: Receiver) -> None:
    """Later events of the stream wait for it, in order; other streams go on; then it is all taken, in order."""
    await world.register("siem", receiver.url)
    first = await world.happen("a", "b", "a", "b", "a")
    receiver.answer = failing(first[0])
    async with world.sending():
        await until(lambda: receiver.positions == [first[1], first[3]])
        await until(lambda: _pending_is(world, [first[0], first[2], first[4]]))
        await until(lambda: _is_degraded(world, "3 events wait since ", ": HTTP 500"))
        receiver.answer = lambda _: 204
        await world.later(10)
        await until(lambda: receiver.positions == [first[1], first[3], first[0], first[2], first[4]])
        await until(lambda: _is(world, "running"))


async def test_each_attempt_has_the_same_id_and_a_time_and_signature_of_its_own(
    world: World, receiver: Receiver
) -> None:
    """A receiver knows a repeat by its webhook-id, and an old timestamp is not sent."""
    await world.register("siem", receiver.url)
    receiver.answer = lambda _: 500
    await world.happen("a")
    async with world.sending():
        await until(lambda: len(receiver.received) == 1)
        await until(lambda: _attempts_are(world, 1))
        await world.later(60)
        await until(lambda: len(receiver.received) == 2)
    first, second = (each.headers for each in receiver.received)
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) >= 60
    for each in receiver.received:
        each.verified()


async def test_after_all_attempts_it_is_a_dead_letter_and_the_stream_goes_on(world: World, receiver: Receiver) -> None:
    """Exactly as many attempts as are set; then the next event of the stream is sent."""
    await world.register("siem", receiver.url)
    first, second = await world.happen("a", "a")
    receiver.answer = failing(first)
    async with world.sending(attempts=3):
        for attempt in (1, 2):
            await until(lambda attempt=attempt: _attempts_are(world, attempt))  # type: ignore[misc]  # bound now
            await world.later(400)
        await until(lambda: receiver.positions == [second])
        await until(lambda: _dead_is(world, [first]))
        await until(lambda: _pending_is(world, []))
    rows = await world.rows("SELECT attempts, reason FROM webhook.dead_letters")
    tried = [each.position for each in receiver.received]
    assert ([(3, "HTTP 500")], [first, first, first, second]) == (rows, tried)


async def test_a_dead_letter_is_redelivered(world: World, receiver: Receiver) -> None:
    """Put back, it is sent with its old id, and before what waits of its stream."""
    await world.register("siem", receiver.url)
    (first,) = await world.happen("a")
    receiver.answer = lambda _: 400
    async with world.sending(attempts=1):
        await until(lambda: _dead_is(world, [first]))
        receiver.answer = lambda _: 204
        connection = await connect(world.url)
        assert [first] == await redeliver(connection, "siem", None)
        assert await redeliver(connection, "siem", None) == []
        await connection.close()
        await until(lambda: receiver.positions == [first])
        await until(lambda: _pending_is(world, []))
    assert await world.dead() == []


async def test_what_cannot_be_sent_or_is_anothers_stays_a_dead_letter(world: World) -> None:
    """Neither an event that is no longer in the journal nor a dead letter of another webhook is put back."""
    first, second = await world.happen("a", "b")
    for name, position in (("siem", first), ("siem", 999), ("other", first), ("other", second)):
        await world.rows(
            "INSERT INTO webhook.dead_letters (name, position, attempts, reason) VALUES ($1, $2, 1, '') RETURNING 1",
            name,
            position,
        )
    connection = await connect(world.url)
    assert await redeliver(connection, "siem", [second, 999]) == []
    assert await redeliver(connection, "siem", None) == [first]
    await connection.close()
    assert ([first], []) == (await world.pending(), await world.pending("other"))
    assert ([999], [first, second]) == (await world.dead(), await world.dead("other"))


async def test_more_dead_letters_than_fit_come_all_in_order(world: World, receiver: Receiver) -> None:
    """What is put back at once may be more than is held in memory."""
    positions = await world.happen(*(f"c{number % 3}" for number in range(50)))
    await world.register("siem", receiver.url, after=positions[-1])
    async with world.sending():
        await until(lambda: _is(world, "running"))
    await world.rows(
        "INSERT INTO webhook.dead_letters (name, position, attempts, reason)"
        " SELECT 'siem', unnest($1::bigint[]), 1, 'HTTP 500' RETURNING 1",
        positions,
    )
    connection = await connect(world.url)
    await redeliver(connection, "siem", None)
    await connection.close()
    async with world.sending(pending_limit=8):
        await until(lambda: sorted(receiver.positions) == positions)
    assert receiver.in_order()


async def test_a_webhook_of_webhook_events_ends(world: World, receiver: Receiver) -> None:
    """Sending makes no events: one that is sent everything is sent its own registration, and then nothing more."""
    await world.register("siem", receiver.url, types=())
    head = await world.journal.head()
    async with world.sending():
        await until(lambda: receiver.positions == [head])
        await world.happen("a")
        await until(lambda: receiver.positions == [head, head + 1])
    assert head + 1 == await world.journal.head()


async def test_a_dead_endpoint_is_asked_little_and_found_well_soon(world: World, receiver: Receiver) -> None:
    """Few events are tried while it fails; when it is well all come, and side by side again."""
    await world.register("siem", receiver.url)
    receiver.answer = lambda _: 500
    positions = await world.happen(*(f"c{number}" for number in range(100)))
    async with world.sending(timeout=60):
        for least in range(5, 12):
            await until(lambda least=least: len(receiver.received) >= least)  # type: ignore[misc]  # bound now
            await until(lambda: _all_are_judged(world, receiver))
            await world.later(330)
        assert len(receiver.received) < 25
        receiver.answer = lambda _: 204
        await world.later(330)
        await until(lambda: sorted(receiver.positions) == positions)
        receiver.hanging = True
        await world.happen(*(f"d{number}" for number in range(10)))
        await until(lambda: receiver.under_way == 8)


async def test_what_failed_does_not_wait_its_time_once_the_endpoint_is_well(world: World, receiver: Receiver) -> None:
    """One event that is taken is a reason to send the others at once, also those that are not due for minutes."""
    await world.register("siem", receiver.url)
    receiver.answer = lambda _: 500
    positions = await world.happen(*(f"c{number}" for number in range(6)))
    async with world.sending():
        await until(lambda: len(receiver.received) >= 6)
        await until(lambda: _all_are_judged(world, receiver))
        await world.later(6)
        await until(lambda: _attempts_are(world, 2))
        receiver.answer = lambda _: 204
        await world.later(12)
        await until(lambda: sorted(receiver.positions) == positions)


async def test_retry_after_is_waited_for(world: World, receiver: Receiver) -> None:
    """Nothing is sent before the time that the endpoint asked for; then all comes."""
    await world.register("siem", receiver.url)
    receiver.answer = lambda _: web.Response(status=429, headers={"retry-after": "120"})
    positions = await world.happen("a")
    async with world.sending():
        await until(lambda: _attempts_are(world, 1))
        positions += await world.happen("b", "c")
        await world.later(100)
        await until(lambda: _pending_is(world, positions))
        assert len(receiver.received) == 1
        receiver.answer = lambda _: 204
        await world.later(30)
        await until(lambda: sorted(receiver.positions) == positions)


async def test_what_is_due_is_kept_over_a_restart(world: World, receiver: Receiver) -> None:
    """Attempts are counted across restarts: the last one before gives up in the end."""
    await world.register("siem", receiver.url)
    receiver.answer = lambda _: 500
    positions = await world.happen("a")
    for attempt in (1, 2):
        async with world.sending(attempts=3):
            await until(lambda attempt=attempt: _attempts_are(world, attempt))  # type: ignore[misc]  # bound now
        await world.later(1_000)
    async with world.sending(attempts=3):
        await until(lambda: _dead_is(world, positions))


async def test_after_a_restart_it_is_tried_at_once_and_that_is_not_counted(world: World, receiver: Receiver) -> None:
    """Who starts knows nothing against the endpoint; an attempt before its time is none of those that an event has."""
    await world.register("siem", receiver.url)
    receiver.answer = lambda _: 500
    positions = await world.happen("a")
    async with world.sending():
        await until(lambda: _attempts_are(world, 1))
        await world.later(6)
        await until(lambda: _attempts_are(world, 2))
    before = len(receiver.received)
    async with world.sending(attempts=3):
        await until(lambda: len(receiver.received) > before)
        positions += await world.happen("b")
        await until(lambda: len(receiver.received) > before + 1)
    assert (positions, []) == (await world.pending(), await world.dead())


async def test_an_event_that_retention_took_is_a_dead_letter(world: World, receiver: Receiver) -> None:
    """What is no longer in the journal cannot be sent; it is told, not dropped."""
    await world.register("siem", receiver.url)
    async with world.sending():
        await until(lambda: _is(world, "running"))
    await world.rows("INSERT INTO webhook.pending (name, position) VALUES ('siem', 999) RETURNING 1")
    positions = await world.happen("a")
    async with world.sending():
        await until(lambda: receiver.positions == positions)
    assert await world.dead() == [999]


async def test_disabling_stops_what_is_under_way(world: World, receiver: Receiver) -> None:
    """Once the change is acted upon, nothing more is sent; what was under way waits."""
    receiver.hanging = True
    await world.register("siem", receiver.url)
    positions = await world.happen("a", "b")
    async with world.sending(timeout=60):
        await until(lambda: receiver.under_way == 2)
        await world.change(WebhookDisabled(name="siem"))
        head = await world.journal.head()

        async def acted() -> bool:
            return await world.rows("SELECT position FROM webhook.dispatcher") >= [(head,)]

        await until(acted)
        assert positions == await world.pending()


async def _is_degraded(world: World, beginning: str, end: str) -> bool:
    _, state, reason = await world.progress()
    return (state, reason.startswith(beginning), reason.endswith(end)) == ("degraded", True, True)


async def _is(world: World, state: str) -> bool:
    return (await world.progress())[1] == state


async def _pending_is(world: World, positions: list[int]) -> bool:
    return await world.pending() == positions


async def _dead_is(world: World, positions: list[int]) -> bool:
    return await world.dead() == positions


async def _attempts_are(world: World, attempts: int) -> bool:
    return (attempts,) in await world.rows("SELECT max(attempts) FROM webhook.pending")


async def _all_are_judged(world: World, receiver: Receiver) -> bool:
    return [(len(receiver.received),)] == await world.rows("SELECT sum(attempts) FROM webhook.pending")

"""The relay: what is committed in Postgres is published to JetStream, event N at sequence N (docs/adr/0004-relay.md).

One leader at a time publishes. It never trusts its memory: after every failure, and every few seconds anyway, it
looks where the stream ends and compares that with the journal (`relay_plan.decide`), so a lost acknowledgement, a
second leader that has not noticed yet, a deleted or a cut stream all end in the same way: the stream holds the
journal's events, each once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple

from consumers.connection import NatsUnavailable
from schema.envelope import RecordedEvent
from service.journal.answers import StreamError, WrongSequence
from service.journal.examine import examine
from service.journal.leader import Leader
from service.journal.port import JournalUnavailable
from service.journal.relay_plan import Continue, Create, Halt, Plan, Recreate
from service.journal.stream import Message, Stream, message_of

log = logging.getLogger(__name__)

PAGE = 1_000
BATCH = 1_000
"""As many as a server takes (its `max_msgs` of a batch): what a batch costs it hardly grows with its size."""
FEW = 8
"""As many messages one by one cost a server that syncs every write about as much as an atomic batch of any size."""
BATCH_BYTES = 1_000_000
MANY = 32
"""A batch that begins with so many waits for more of them: what it costs the server hardly grows with its size."""
GATHER = 0.02
"""Seconds that it waits at most, from its begin on."""
SPACING = 0.02
"""Seconds from reading what is new to reading it again, at least: each round wakes relay, server and all readers."""


class Pace(NamedTuple):
    """How often what is done, in seconds: `check` compares stream and journal, `report` is the sign of life."""

    check: float = 2.0
    report: float = 1.0
    retry: float = 0.5
    chores: float = 60.0


DEFAULT_PACE = Pace()


class JournalHole(Exception):
    """The journal lacks a position: the stream cannot be continued."""


async def no_chores() -> None:
    """Nothing to do."""


class Relay:
    """Publishes the journal while it leads.

    `elect` waits for leadership (raises JournalUnavailable), `connect` connects to the stream (raises NatsUnavailable
    or StreamRefused). `chores` is called by the leader about once a minute; what it raises is logged.
    """

    def __init__(
        self,
        elect: Callable[[], Awaitable[Leader]],
        connect: Callable[[], Awaitable[Stream]],
        *,
        issuer: str,
        replicas: int = 1,
        chores: Callable[[], Awaitable[None]] = no_chores,
        pace: Pace = DEFAULT_PACE,
    ) -> None:
        self._elect = elect
        self._connect = connect
        self._issuer = issuer
        self._replicas = replicas
        self._chores = chores
        self._pace = pace
        self._changed = asyncio.Event()
        self.position = 0
        self.state = "starting"
        self.reason = "waiting for leadership"
        self.published = 0
        self.recreated = 0

    async def run(self) -> None:
        """Relay until cancelled."""
        while True:
            try:
                leader = await self._elect()
            except JournalUnavailable as error:
                self._note("degraded", str(error))
                await asyncio.sleep(self._pace.retry)
                continue
            await self._lead(leader)

    async def _lead(self, leader: Leader) -> None:
        """Do all that a leader does until the leadership is lost; then stop at once."""
        self._note("starting", "comparing the stream with the journal")
        work = [
            asyncio.create_task(self._relay(leader), name="relay"),
            asyncio.create_task(self._report(leader), name="relay-report"),
            asyncio.create_task(self._do_chores(), name="relay-chores"),
            asyncio.create_task(leader.lost.wait(), name="relay-leadership"),
        ]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                with contextlib.suppress(JournalUnavailable):
                    task.result()
            self._note("degraded", "the leadership was lost with the connection to Postgres")
        finally:
            leader.close()
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    async def _relay(self, leader: Leader) -> None:
        while True:
            try:
                stream = await self._connect()
                try:
                    await self._keep_equal(leader, stream)
                finally:
                    await stream.close()
            except (NatsUnavailable, StreamError) as error:
                self._note("degraded", str(error))
                await asyncio.sleep(self._pace.retry)

    async def _keep_equal(self, leader: Leader, stream: Stream) -> None:
        while True:
            try:
                await self._follow(leader, stream, await examine(leader, stream))
            except WrongSequence as error:
                log.warning("the stream does not end where it was left, comparing again: %s", error)
                await asyncio.sleep(self._pace.retry)
            except JournalHole as hole:
                self._note("halted", str(hole))
                await asyncio.sleep(self._pace.check)

    async def _follow(self, leader: Leader, stream: Stream, plan: Plan) -> None:
        """Carry out a plan; returns when it is time to compare again."""
        if isinstance(plan, Halt):
            self._note("halted", plan.reason)
            await asyncio.sleep(self._pace.check)
        elif isinstance(plan, Recreate):
            log.warning("the stream was cut: %s; it is made anew and filled from Postgres", plan.why)
            self.recreated += 1
            await stream.delete()
            await stream.create(plan.first, self._replicas)
        elif isinstance(plan, Create):
            level = logging.WARNING if self.published else logging.INFO
            log.log(level, "there is no stream; it is made, from position %d on", plan.first)
            await stream.create(plan.first, self._replicas)
        else:
            await stream.settle_config()
            await self._publish(leader, stream, plan)

    async def _publish(self, leader: Leader, stream: Stream, plan: Continue) -> None:
        """Publish what is committed, as soon as it is, until it is time to compare again."""
        self.position = plan.after
        self._note("running", "")
        compare_at = time.monotonic() + self._pace.check
        while (remaining := compare_at - time.monotonic()) > 0:
            again_at = time.monotonic() + SPACING
            leader.grown.clear()
            messages = await self._read(leader, self.position, PAGE)
            if messages:
                *whole, last = batches(messages)
                for batch in whole:
                    self._count(await stream.publish(batch, self.position))
                await self._publish_last(leader, stream, last)
            if len(messages) < PAGE:
                if messages:
                    await asyncio.sleep(again_at - time.monotonic())
                await _grows(leader, remaining)

    async def _publish_last(self, leader: Leader, stream: Stream, batch: Sequence[Message]) -> None:
        """Publish the last batch that was read: a few messages one by one, more together with what comes meanwhile."""
        if len(batch) <= FEW:
            for message in batch:
                self._count(await stream.publish([message], self.position))
            return
        until = time.monotonic() + GATHER

        async def more() -> Sequence[Message]:
            """What was committed since. Where there are many already, what is committed until it is time, too."""
            whole, room = batch, True
            if len(batch) < MANY:
                whole, _ = await self._extended(leader, batch)
            else:
                while room and await _grows(leader, until - time.monotonic()):
                    whole, room = await self._extended(leader, whole)
            return whole[len(batch) :]

        self._count(await stream.publish(batch, self.position, more if len(batch) < BATCH else None))

    async def _extended(self, leader: Leader, batch: Sequence[Message]) -> tuple[Sequence[Message], bool]:
        """A batch with what was committed since; and whether it has room for more. If not, `grown` says so."""
        leader.grown.clear()
        late = await self._read(leader, self.position + len(batch), BATCH - len(batch))
        whole = next(batches([*batch, *late]))
        room = len(whole) < BATCH and len(whole) == len(batch) + len(late)
        if not room:
            leader.grown.set()
        return whole, room

    async def _read(self, leader: Leader, after: int, limit: int) -> list[Message]:
        """What is committed after a position, as messages. Raises JournalHole."""
        page = await leader.read(after, limit)
        _require_dense(page, after)
        return [message_of(recorded, self._issuer) for recorded in page]

    def _count(self, stored: int) -> None:
        self.position += stored
        self.published += stored

    def _note(self, state: str, reason: str) -> None:
        if (state, reason) == (self.state, self.reason):
            return
        self.state, self.reason = state, reason
        level = {"halted": logging.CRITICAL, "degraded": logging.WARNING}.get(state, logging.INFO)
        log.log(level, "the relay is %s at position %d%s", state, self.position, f": {reason}" if reason else "")
        self._changed.set()

    async def _report(self, leader: Leader) -> None:
        """Report every change at once, and every now and then that the relay is alive."""
        while True:
            self._changed.clear()
            await leader.report(self.position, self.state, self.reason)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.report):
                    await self._changed.wait()

    async def _do_chores(self) -> None:
        while True:
            try:
                await self._chores()
            except Exception:
                log.exception("a chore of the relay failed; it is tried again in %g s", self._pace.chores)
            await asyncio.sleep(self._pace.chores)


async def _grows(leader: Leader, seconds: float) -> bool:
    """Whether the journal has grown since it was last read, or does so within some seconds."""
    if seconds > 0 and not leader.grown.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await leader.grown.wait()
    return leader.grown.is_set()


def batches(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """Cut messages into atomic batches of at most BATCH messages and about BATCH_BYTES bytes."""
    begin = size = 0
    for place, message in enumerate(messages):
        length = len(message.data) + len(message.headers)
        if place > begin and (place - begin == BATCH or size + length > BATCH_BYTES):
            yield messages[begin:place]
            begin, size = place, 0
        size += length
    if begin < len(messages):
        yield messages[begin:]


def _require_dense(page: Sequence[RecordedEvent], after: int) -> None:
    for expected, recorded in enumerate(page, start=after + 1):
        if recorded.position != expected:
            raise JournalHole(f"the journal has no event at position {expected}; the next one is {recorded.position}")

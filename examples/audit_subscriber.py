"""Follow the audit stream by a durable consumer, and never miss an event (docs/audit-stream.md).

    pip install nats-py
    AUDIT_NATS_URL=nats://audit:…@127.0.0.1:4222 python examples/audit_subscriber.py
    … python examples/audit_subscriber.py --durable refusals --type access.rejected --client billing-worker

Each event is acknowledged once `handle` has returned. Start it again and it goes on where it was left, so an event may
come twice: act once on each position.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys

import nats
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NothingYet
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

STREAM = "TALLYSTICK"
EVERYTHING = "tally.v1.*.*.*"
BATCH = 20


def handle(event: dict[str, object]) -> None:
    """What you want done about an event; raise to have it again."""
    print(json.dumps(event), flush=True)


async def main() -> None:
    """Subscribe, handle, acknowledge, until interrupted."""
    options = arguments()
    subject = f"tally.v1.{options.type or '*.*'}.{options.client or '*'}"
    client = await nats.connect(os.environ["AUDIT_NATS_URL"], name=options.durable)
    try:
        config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, ack_wait=10)
        consumer = await client.jetstream().pull_subscribe(
            subject, durable=options.durable, stream=STREAM, config=config
        )
        floor = (await consumer.consumer_info()).ack_floor
        whole = Whole(floor.stream_seq if floor else 0) if subject == EVERYTHING else None
        while True:
            await take(consumer, whole)
    finally:
        await client.close()


async def take(consumer: JetStreamContext.PullSubscription, whole: Whole | None) -> None:
    """Handle what comes next, at most BATCH events, and acknowledge each."""
    try:
        batch = await consumer.fetch(BATCH, timeout=5)
    except NothingYet:
        return
    for message in batch:
        handle(event_of(message))
        await message.ack_sync()
        if whole is not None:
            whole.note(message.metadata.sequence.stream)
    if whole is not None and whole.ahead and (await consumer.consumer_info()).num_ack_pending == 0:
        sys.exit(f"event {whole.upto + 1} never came: something was taken from the stream")


class Whole:
    """Whether every position came: all up to `upto`, and those in `ahead`.

    What another start was sent and did not acknowledge comes again later, so a gap may close. It stays where nothing is
    left to be acknowledged.
    """

    def __init__(self, upto: int) -> None:
        self.upto = upto
        self.ahead: set[int] = set()

    def note(self, position: int) -> None:
        """A position came."""
        self.upto = self.upto or position - 1
        if position > self.upto:
            self.ahead.add(position)
        while self.upto + 1 in self.ahead:
            self.upto += 1
            self.ahead.remove(self.upto)


def event_of(message: Msg) -> dict[str, object]:
    """The event with its CloudEvents attributes, and its body as `data`."""
    headers = message.headers or {}
    attributes = {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}
    return {**attributes, "data": json.loads(message.data)}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Follow Tallystick's audit stream.")
    parser.add_argument("--durable", default="audit-subscriber", help="the consumer's name: who you are to the server")
    parser.add_argument("--type", help="only this type, such as token.issued; or token.* for all of a kind")
    parser.add_argument("--client", help="only events of this client")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)

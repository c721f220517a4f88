"""Follow the audit stream by a durable consumer, and never miss an event (docs/audit-stream.md).

    pip install nats-py
    AUDIT_NATS_URL=nats://audit:…@127.0.0.1:4222 python examples/audit_subscriber.py
    … python examples/audit_subscriber.py --durable refusals --type access.rejected --client billing-worker

Events come one by one, in order, and each is acknowledged once `handle` has returned. Start it again and it goes on
where it was left, so an event may come twice: act once on each position. It ends, and says why, at a message that is no
event and when the stream is made anew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys

import nats
from nats.aio.msg import Msg
from nats.errors import Error
from nats.errors import TimeoutError as NothingYet
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, RawStreamMsg
from nats.js.errors import NotFoundError

STREAM = "TALLYSTICK"
EVERYTHING = "tally.v1.*.*.*"


def handle(event: dict[str, object]) -> None:
    """What you want done about an event; raise to have it again."""
    print(json.dumps(event), flush=True)


async def main() -> None:
    """Subscribe, handle, acknowledge, until interrupted."""
    options = arguments()
    subject = f"tally.v1.{options.type or '*.*'}.{options.client or '*'}"
    client = await nats.connect(os.environ["AUDIT_NATS_URL"], name=options.durable)
    try:
        stream = client.jetstream()
        config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, ack_wait=10, max_ack_pending=1)
        consumer = await stream.pull_subscribe(subject, durable=options.durable, stream=STREAM, config=config)
        floor = (await consumer.consumer_info()).ack_floor
        whole = Whole(stream, floor.stream_seq if floor else 0) if subject == EVERYTHING else None
        while True:
            await take(consumer, whole)
    except Error as error:
        reason = getattr(error, "description", None) or type(error).__name__
        sys.exit(f"the stream does not answer, or was made anew ({reason}): start again")
    finally:
        await client.close()


async def take(consumer: JetStreamContext.PullSubscription, whole: Whole | None) -> None:
    """Handle what comes next, and acknowledge it."""
    try:
        (message,) = await consumer.fetch(1, timeout=5)
    except NothingYet:
        return
    position = message.metadata.sequence.stream
    if whole is not None:
        await whole.before(position)
    handle(event_of(message, position))
    await message.ack_sync()


class Whole:
    """Sees that every position is handled: all up to `upto` are."""

    def __init__(self, stream: JetStreamContext, upto: int) -> None:
        self.stream = stream
        self.upto = upto

    async def before(self, position: int) -> None:
        """A position came. Those before it that did not were given to another who uses this durable's name, or to a
        start that was killed: the stream has them. What the stream does not have was taken from it.
        """
        for missing in range(self.upto + 1, position):
            try:
                handle(event_of(await self.stream.get_msg(STREAM, missing), missing))
            except NotFoundError:
                sys.exit(f"event {missing} never came: it was taken from the stream")
            self.upto = missing
        self.upto = max(self.upto, position)


def event_of(message: Msg | RawStreamMsg, position: int) -> dict[str, object]:
    """The event with its CloudEvents attributes, and its body as `data`.

    It ends where the message is no event of this position: only an intruder can have published that. It is not
    acknowledged, so the next start ends there too.
    """
    headers = message.headers or {}
    attributes = {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}
    try:
        check(attributes.get("id") == str(position), "its ce-id is not its sequence")
        data = json.loads(message.data or b"")
        check(isinstance(data, dict), "its body is not a JSON object")
    except (ValueError, RecursionError) as error:
        sys.exit(f"the message at sequence {position} is not an event of Tallystick: {error}")
    return {**attributes, "data": data}


def check(holds: bool, otherwise: str) -> None:
    """Raise ValueError where something does not hold."""
    if not holds:
        raise ValueError(otherwise)


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

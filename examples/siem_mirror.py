"""Mirror the audit stream into a file of JSON lines, for a log shipper or SIEM to take (docs/audit-stream.md).

    pip install nats-py
    AUDIT_NATS_URL=nats://audit:…@127.0.0.1:4222 python examples/siem_mirror.py /var/log/tallystick/audit.jsonl

A line is one event in the JSON format of CloudEvents 1.0 (structured mode). The file itself is the checkpoint: what is
in it is on disk, whole lines only, each position once, and a start goes on after the last one. So a kill at any moment
neither loses an event nor doubles one. To rotate, stop it, move the file, and start with --after and the last position.
It ends, and says why, at a message that is no event and when the stream is made anew: what came before is in the file.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import sys
from pathlib import Path
from typing import BinaryIO

import nats
from nats.aio.msg import Msg
from nats.errors import Error
from nats.errors import TimeoutError as NothingYet
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

STREAM = "TALLYSTICK"
LONGEST = 16 * 1024 * 1024


async def main() -> None:
    """Mirror until interrupted."""
    options = arguments()
    with options.file.open("ab+") as mirror:
        fcntl.flock(mirror, fcntl.LOCK_EX | fcntl.LOCK_NB)
        last = last_position(mirror) or options.after
        client = await nats.connect(os.environ["AUDIT_NATS_URL"], name="siem-mirror")
        try:
            await follow(await consumer_after(client.jetstream(), last), mirror, last)
        except Error as error:
            reason = getattr(error, "description", None) or type(error).__name__
            sys.exit(f"the stream does not answer, or was made anew ({reason}): start again")
        finally:
            await client.close()


async def consumer_after(jetstream: JetStreamContext, last: int) -> JetStreamContext.PullSubscription:
    """A passing consumer that begins after a position: how far the mirror is, the mirror knows."""
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=last + 1,
        ack_policy=AckPolicy.NONE,
        inactive_threshold=60,
    )
    return await jetstream.pull_subscribe("tally.v1.>", stream=STREAM, config=config)


async def follow(consumer: JetStreamContext.PullSubscription, mirror: BinaryIO, last: int) -> None:
    """Append what comes, a batch at a time, and have it on disk before the next."""
    while True:
        try:
            batch = await consumer.fetch(500, timeout=5)
        except NothingYet:
            await consumer.consumer_info()  # raises when the consumer is gone: start again
            continue
        try:
            for message in batch:
                position = message.metadata.sequence.stream
                if position != last + 1:
                    sys.exit(f"after {last} came {position}: start again; if it stays, something was taken out")
                mirror.write(line_of(message, position))
                last = position
        finally:  # what came before a message that ends it is kept
            mirror.flush()
            os.fsync(mirror.fileno())


def line_of(message: Msg, position: int) -> bytes:
    """The event as one line: CloudEvents attributes, and the body as `data`.

    It ends where the message is no event of this position: only an intruder can have published that.
    """
    headers = message.headers or {}
    attributes = {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}
    if trace := headers.get("traceparent"):
        attributes["traceparent"] = trace
    try:
        check(attributes.get("id") == str(position), "its ce-id is not its sequence")
        data = json.loads(message.data)
        check(isinstance(data, dict), "its body is not a JSON object")
        event = {**attributes, "datacontenttype": "application/json", "data": data}
        return json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
    except (ValueError, RecursionError) as error:
        sys.exit(f"the message at sequence {position} is not an event of Tallystick: {error}")


def check(holds: bool, otherwise: str) -> None:
    """Raise ValueError where something does not hold."""
    if not holds:
        raise ValueError(otherwise)


def last_position(mirror: BinaryIO) -> int:
    """The position of the last whole line, 0 without one; what a kill left of a line after it is cut off."""
    size = mirror.seek(0, os.SEEK_END)
    begin = mirror.seek(max(0, size - LONGEST))
    tail = mirror.read()
    whole = tail[: tail.rfind(b"\n") + 1]
    mirror.truncate(begin + len(whole))
    mirror.seek(0, os.SEEK_END)
    return int(json.loads(whole.splitlines()[-1])["id"]) if whole else 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Mirror Tallystick's audit stream into a file of JSON lines.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--after", type=int, default=0, help="begin after this position where the file is empty (0)")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)

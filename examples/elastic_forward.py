"""Send the audit stream to Elasticsearch as ECS documents, by a durable consumer (docs/siem.md).

    export AUDIT_NATS_URL=nats://audit:…@127.0.0.1:4222 ELASTIC_API_KEY=…
    .venv/bin/python examples/elastic_forward.py https://elastic.example.com:9200

It needs Tallystick installed beside it, for the export. The server keeps how far it is: a batch is acknowledged once
Elasticsearch has all of it, so that a start goes on after that, and may send a batch again. A document's id is the
event's position, which Elasticsearch takes once. A document that it does not take ends the program: nothing is skipped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import urllib.error
import urllib.request

import nats
from nats.aio.msg import Msg
from nats.errors import Error
from nats.errors import TimeoutError as NothingYet
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from consumers.exports.ecs import ecs_document
from consumers.stream_reader import StreamMessage
from consumers.subscriber import NotAnEvent, event_of

STREAM = "TALLYSTICK"
BATCH = 500
MADE, THERE_ALREADY = 201, 409


async def main() -> None:
    """Forward until interrupted."""
    options = arguments()
    client = await nats.connect(os.environ["AUDIT_NATS_URL"], name=options.durable)
    try:
        config = ConsumerConfig(ack_policy=AckPolicy.ALL, ack_wait=options.ack_wait, max_ack_pending=BATCH)
        stream = client.jetstream()
        consumer = await stream.pull_subscribe("tally.v1.>", durable=options.durable, stream=STREAM, config=config)
        while True:
            await forward(consumer, options)
    except (NotAnEvent, NotTaken) as error:
        sys.exit(str(error))
    except Error as error:
        reason = getattr(error, "description", None) or type(error).__name__
        sys.exit(f"the stream does not answer, or was made anew ({reason}): start again")
    finally:
        await client.close()


async def forward(consumer: JetStreamContext.PullSubscription, options: argparse.Namespace) -> None:
    """Send what comes next, and acknowledge it; one acknowledgement is for all before it."""
    try:
        batch = await consumer.fetch(BATCH, timeout=5)
    except NothingYet:
        await consumer.consumer_info()  # raises when the consumer is gone: start again
        return
    await asyncio.to_thread(index, options.url, options.index, [document_of(message) for message in batch])
    await batch[-1].ack_sync()


def document_of(message: Msg) -> dict[str, object]:
    """The document of a message. Raises NotAnEvent."""
    place = message.metadata
    return ecs_document(
        event_of(
            StreamMessage(
                place.sequence.stream, place.num_pending, message.subject, dict(message.headers or {}), message.data
            )
        )
    )


class NotTaken(Exception):
    """Elasticsearch did not take a document, or did not answer."""


def index(url: str, name: str, documents: list[dict[str, object]]) -> None:
    """Have Elasticsearch keep the documents. Raises NotTaken."""
    lines = []
    for document in documents:
        position = document["event"]["id"]  # type: ignore[index]  # an event has one
        lines += [{"create": {"_index": name, "_id": position}}, document]
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    headers = {"content-type": "application/x-ndjson"}
    if key := os.environ.get("ELASTIC_API_KEY"):
        headers["authorization"] = f"ApiKey {key}"
    asking = urllib.request.Request(f"{url.rstrip('/')}/_bulk", body, headers)  # noqa: S310 the address is the operator's
    try:
        with urllib.request.urlopen(asking, timeout=30) as answer:  # noqa: S310 the same
            items = json.load(answer)["items"]
    except (urllib.error.URLError, TimeoutError, ValueError, KeyError) as error:
        raise NotTaken(f"Elasticsearch does not answer: {error}") from error
    for item in items:
        told = item["create"]
        if told["status"] not in {MADE, THERE_ALREADY}:
            raise NotTaken(f"Elasticsearch does not take event {told.get('_id')}: {json.dumps(told.get('error'))}")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Send Tallystick's audit stream to Elasticsearch.")
    parser.add_argument("url", help="of Elasticsearch")
    parser.add_argument("--index", default="logs-tallystick.audit-default", help="the data stream or index")
    parser.add_argument("--durable", default="elastic", help="the consumer's name: who you are to the server")
    parser.add_argument(
        "--ack-wait", type=int, default=60, help="seconds after which what a kill left under way comes again"
    )
    return parser.parse_args()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)

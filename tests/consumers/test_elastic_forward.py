"""The recipe that sends documents to Elasticsearch, against a server that answers as Elasticsearch's `_bulk` does."""

from __future__ import annotations

import json
import os
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from consumers.exports.ecs import ecs_document
from tests.consumers.program import running, sentence
from tests.consumers.test_subscriber import event, fill
from tests.nats_server import NatsServer
from tests.relay.support import until

RECIPE = Path(__file__).parents[2] / "examples" / "elastic_forward.py"


class Elastic(ThreadingHTTPServer):
    """Keeps documents by id, as a data stream does: one that is there already is a conflict. `refuses` is an id that it
    does not take; while `fails`, it keeps what comes and answers 502.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Bulk)
        self.documents: dict[str, dict[str, Any]] = {}
        self.conflicts = 0
        self.refuses = ""
        self.fails = False
        self.keys: set[str | None] = set()

    def create(self, action: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
        """What is answered for one document."""
        where = action["create"]
        assert where["_index"] == "logs-tallystick.audit-default"
        told = {"_id": where["_id"]}
        if where["_id"] == self.refuses:
            return {"create": told | {"status": 400, "error": {"type": "document_parsing_exception"}}}
        if where["_id"] in self.documents:
            self.conflicts += 1
            return {"create": told | {"status": 409}}
        self.documents[where["_id"]] = document
        return {"create": told | {"status": 201}}


class _Bulk(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Take pairs of lines."""
        elastic = self.server
        assert isinstance(elastic, Elastic)
        lines = self.rfile.read(int(self.headers["content-length"])).splitlines()
        elastic.keys.add(self.headers["authorization"])
        pairs = zip(lines[::2], lines[1::2], strict=True)
        items = [elastic.create(json.loads(action), json.loads(document)) for action, document in pairs]
        body = json.dumps({"items": items}).encode()
        self.send_response(502 if elastic.fails else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 the name in the base class
        """Say nothing."""


@pytest.fixture
def elastic() -> Iterator[Elastic]:
    """The server."""
    with Elastic() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@asynccontextmanager
async def started(nats: NatsServer, elastic: Elastic) -> AsyncIterator[Process]:
    """The recipe, with the rights of an auditor only."""
    env = os.environ | {
        "AUDIT_NATS_URL": nats.audit_url,
        "ELASTIC_API_KEY": "abc",
        "PYTHONPATH": str(RECIPE.parents[1]),
    }
    url = f"http://127.0.0.1:{elastic.server_address[1]}"
    async with running(RECIPE, url, "--ack-wait", "2", stdout=PIPE, env=env) as process:
        yield process


async def test_every_event_gets_there_once_over_kills(nats: NatsServer, elastic: Elastic) -> None:
    """Killed and started again, it goes on where it was left, and each event is there as the export makes it."""
    await fill(nats, 1, 700, create=True)
    async with started(nats, elastic) as process:
        await until(lambda: bool(elastic.documents))
        process.kill()
        await process.wait()
    await fill(nats, 701, 900)
    async with started(nats, elastic):
        await until(lambda: len(elastic.documents) == 900, 120)
    assert elastic.documents == {str(each): ecs_document(event(each)) for each in range(1, 901)}
    assert elastic.keys == {"ApiKey abc"}


async def test_what_is_not_taken_is_not_acknowledged(nats: NatsServer, elastic: Elastic) -> None:
    """It says which event and why, and ends; started again when that is mended, nothing is missing."""
    await fill(nats, 1, 20, create=True)
    elastic.refuses = "7"
    async with started(nats, elastic) as process:
        assert await sentence(process) == (
            'Elasticsearch does not take event 7: {"type": "document_parsing_exception"}'
        )
    assert (await floor(nats)) == 0


async def test_answer_that_is_lost_loses_no_event(nats: NatsServer, elastic: Elastic) -> None:
    """Where nobody knows whether a batch was taken, it is not acknowledged, and will be sent again."""
    await fill(nats, 1, 20, create=True)
    elastic.fails = True
    async with started(nats, elastic) as process:
        assert await sentence(process) == "Elasticsearch does not answer: HTTP Error 502: Bad Gateway"
    assert len(elastic.documents) == 20
    assert (await floor(nats)) == 0


async def floor(nats: NatsServer) -> int:
    """The position up to which the durable consumer has acknowledged."""
    import nats as client_module  # noqa: PLC0415 the fixture has its name

    client = await client_module.connect(nats.audit_url)
    try:
        found = (await client.jetstream().consumer_info("TALLYSTICK", "elastic")).ack_floor
    finally:
        await client.close()
    return found.stream_seq if found else 0

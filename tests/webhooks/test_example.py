"""The receiver of docs/webhooks.md, run as the document says."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path

from consumers.webhooks.message import headers_of
from service.webhooks.secrets import written
from tests.webhooks.receiver import SECRET
from tests.webhooks.world import World, until

PROGRAM = Path(__file__).parents[2] / "examples" / "webhook_receiver.py"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def answered(url: str, headers: dict[str, str], body: bytes) -> int:
    """The status of an answer."""
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


async def test_the_example_takes_what_is_genuine_once_and_nothing_else(world: World) -> None:
    """It prints each event once; a forged, an old and an unsigned message are refused."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        str(port),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"WEBHOOK_SECRET": written(SECRET)},
    )
    assert process.stdout is not None
    url = f"http://127.0.0.1:{port}/"
    try:
        positions = await world.happen("a", "b", "a")
        await world.register("siem", url)
        async with world.sending():
            async with asyncio.timeout(60):
                lines = [await process.stdout.readline() for _ in positions]
            await until(lambda: _none_waits(world))
        assert positions == sorted(int(json.loads(line)["id"]) for line in lines)
        now = world.clock()
        messages = [
            headers_of("evt_9", now, b"{}", [SECRET]),
            headers_of("evt_9", now, b"{}", [SECRET, b"another"]),
            headers_of("evt_8", now, b"{}", [b"another"]),
            headers_of("evt_8", now, b"[]", [SECRET]),
            headers_of("evt_8", now - 600, b"{}", [SECRET]),
            {},
        ]
        statuses = [await asyncio.to_thread(answered, url, each, b"{}") for each in messages]
        assert statuses == [204, 204, 401, 401, 401, 401]
    finally:
        process.kill()
        await process.wait()


async def _none_waits(world: World) -> bool:
    return not await world.pending()

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
from tests.ports import free_port
from tests.webhooks.receiver import SECRET
from tests.webhooks.world import World, until

PROGRAM = Path(__file__).parents[2] / "examples" / "webhook_receiver.py"


def listens(port: int) -> bool:
    """Whether somebody listens on it now."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answered(url: str, headers: dict[str, str], body: bytes) -> int:
    """The status of an answer."""
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def refused(port: int, length: str) -> bytes:
    """How a message of an impossible length is answered; the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sender:
        sender.sendall(f"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n".encode())
        answer = b""
        while part := sender.recv(4_096):
            answer += part
    return answer[:12]


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
        await until(lambda: listens(port))
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
        lengths = ("-1", "x", "1000001", "9" * 5_000)
        assert [await asyncio.to_thread(refused, port, each) for each in lengths] == [b"HTTP/1.1 413"] * 4
    finally:
        process.kill()
        await process.wait()


async def _none_waits(world: World) -> bool:
    return not await world.pending()

"""What `up` takes for ready: the whole answer of the service, in however many pieces it comes."""

from __future__ import annotations

import asyncio

from service.embedded.listener import until_ready

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"


async def test_an_answer_in_pieces_is_read_to_its_end() -> None:
    """It is not ready while the body says degraded, though the status came in an earlier packet."""
    asked = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD)
        await writer.drain()
        await asyncio.sleep(0.05)  # a second packet, as uvicorn sends it
        writer.write(b'{"status":"ready"}' if asked > 3 else b'{"status":"degraded"}')
        writer.close()

    said: list[str] = []
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await until_ready("127.0.0.1", port, "http", said.append)

    assert (asked, said) == (4, [])

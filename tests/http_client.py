"""A small HTTP/1.1 client: one keep-alive connection, form posts with Basic authentication; fast enough for a load."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from base64 import b64encode
from typing import NamedTuple
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

_READ_SECONDS = 10.0
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""What httpx is to trust where all is plain HTTP: else each client of it reads all authorities, for 40 ms."""


class Broken(Exception):
    """No answer came: the connection was refused, reset, or silent for ten seconds."""


class Answer(NamedTuple):
    """An answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> dict[str, object]:
        """The body as a JSON object."""
        return msgspec.json.decode(self.body, type=dict[str, object])


class Connection:
    """One connection to a server, opened when needed."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, form: dict[str, str], login: tuple[str, str]) -> Answer:
        """Post a form. Raises Broken."""
        body = urlencode(form)
        credentials = b64encode(":".join(quote_plus(part) for part in login).encode()).decode()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {self._host}\r\nauthorization: Basic {credentials}\r\n"
            f"content-type: application/x-www-form-urlencoded\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(_READ_SECONDS):
                return await self._exchange((head + body).encode())
        except (OSError, EOFError, TimeoutError) as error:
            await self.close()
            raise Broken(str(error)) from error

    async def close(self) -> None:
        """Close it; the next post opens a new one."""
        if self._streams is not None:
            (_, writer), self._streams = self._streams, None
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, request: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            await self.close()
        return Answer(int(head[0].split(" ")[1]), headers, body)

"""Answers to readers that may be slow: piece by piece, and only for so long."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from litestar.types import Send

_LOOK_AGAIN = 0.02


async def sent_within(seconds: float, send: Send, messages: Iterable[Any], transport: asyncio.Transport | None) -> None:
    """Hand over messages, each once the connection has room for it, until the reader has taken them.

    The connection of a reader that does not take them in time is cut.
    """
    try:
        async with asyncio.timeout(seconds):
            for message in messages:
                await send(message)
            while transport is not None and not transport.is_closing() and transport.get_write_buffer_size():
                await asyncio.sleep(_LOOK_AGAIN)
    except TimeoutError:
        if transport is not None:
            transport.abort()

"""Flow control of one connection: no more is read than is taken, and no more written."""

from __future__ import annotations

import asyncio


class Flow:
    """Whether the connection is read from, and whether it may be written to."""

    __slots__ = ("_room", "_transport", "read_paused", "write_paused")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._room: asyncio.Event | None = None
        self.read_paused = False
        self.write_paused = False

    async def drain(self) -> None:
        """Return once it may be written to."""
        if self._room is not None:
            await self._room.wait()

    def pause_reading(self) -> None:
        """Read no more for now."""
        if not self.read_paused:
            self.read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self.read_paused:
            self.read_paused = False
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """The peer does not take what it is sent."""
        if not self.write_paused:
            self.write_paused = True
            self._room = asyncio.Event()

    def resume_writing(self) -> None:
        """It does, or is gone."""
        self.write_paused = False
        if self._room is not None:
            self._room.set()
            self._room = None

"""The relay as a role of its own: `tallystick relay`, and one of the processes of `tallystick up`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from service.journal.leader import Leader
from service.journal.relay import Relay, no_chores
from service.journal.stream import Stream
from service.settings import Settings, SettingsError


def make_relay(settings: Settings, chores: Callable[[], Awaitable[None]] = no_chores) -> Relay:
    """A relay between the servers of the settings. Raises SettingsError for what is missing."""
    if not (settings.database_url and settings.nats_url and settings.issuer):
        raise SettingsError("the relay needs TALLYSTICK_DATABASE_URL, TALLYSTICK_NATS_URL and TALLYSTICK_ISSUER")
    return Relay(
        partial(Leader.elect, settings.database_url),
        partial(Stream.connect, settings.nats_url),
        issuer=settings.issuer.rstrip("/"),
        replicas=settings.stream_replicas,
        chores=chores,
    )


async def run_relay(settings: Settings, stop: asyncio.Event, chores: Callable[[], Awaitable[None]] = no_chores) -> None:
    """Relay until `stop` is set. Raises SettingsError, or what is a mistake of this program."""
    relaying = asyncio.create_task(make_relay(settings, chores).run(), name="relay-role")
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((relaying, stopping), return_when=asyncio.FIRST_COMPLETED)
        if relaying.done():
            relaying.result()
    finally:
        relaying.cancel()
        stopping.cancel()
        await asyncio.gather(relaying, stopping, return_exceptions=True)

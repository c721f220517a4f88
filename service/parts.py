"""The parts of one process: each goes on, or is started again, whatever becomes of the others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from service.journal.port import JournalUnavailable
from service.journal.postgres import PostgresJournal
from service.keys.master import MasterKeyError
from service.settings import SettingsError

log = logging.getLogger(__name__)

# Only of what nobody gives a sign of life: another process may have taken over what this one left.
_HALT = """
    UPDATE projection.progress SET state = 'halted', reason = $2, seen_at = clock_timestamp()
    WHERE name LIKE $1 || '%' AND seen_at < clock_timestamp() - interval '2 seconds'
"""


class Part(NamedTuple):
    """A part that runs until it is cancelled. What it does is told in the rows of `projection.progress` that begin
    with `rows`.
    """

    name: str
    rows: str
    run: Callable[[], Awaitable[None]]


class Pace(NamedTuple):
    """The pause before a part that stopped is started again: from `least` to `most` seconds, doubled each time that it
    did not run for `most`. `report` is how often it is said meanwhile.
    """

    least: float = 1.0
    most: float = 60.0
    report: float = 1.0


DEFAULT_PACE = Pace()


async def run_parts(
    journal: PostgresJournal, stop: asyncio.Event, parts: tuple[Part, ...], pace: Pace = DEFAULT_PACE
) -> None:
    """Run all parts until `stop` is set. A mistake in one is logged, told, and ends none.

    Raises what no waiting mends: SettingsError or MasterKeyError.
    """
    running = [asyncio.create_task(_keep_running(journal, part, pace), name=part.name) for part in parts]
    running.append(asyncio.create_task(_until(stop), name="stop"))
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _keep_running(journal: PostgresJournal, part: Part, pace: Pace) -> None:
    pause = pace.least
    while True:
        began = time.monotonic()
        try:
            await part.run()
            why = "it ended"
        except (SettingsError, MasterKeyError):
            raise
        except Exception as error:
            why = type(error).__name__
            log.exception("%s stopped", part.name)
        if time.monotonic() - began >= pace.most:
            pause = pace.least
        log.error("%s is started again in %g s", part.name, pause)
        await _tell(journal, part, f"it stopped by a mistake of this program ({why}); the log says more", pause, pace)
        pause = min(2 * pause, pace.most)


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


async def _tell(journal: PostgresJournal, part: Part, reason: str, pause: float, pace: Pace) -> None:
    """Say for `pause` seconds that a part halted."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(pause):
            while True:
                with contextlib.suppress(JournalUnavailable):
                    await journal.fetch(_HALT, part.rows, reason)
                await asyncio.sleep(pace.report)

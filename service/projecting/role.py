"""All projections in SQL, and the role that folds them: `tallystick project`, and one of the processes of `up`."""

from __future__ import annotations

import asyncio

from projections.runner import Runner, SqlProjection
from projections.usage import usage_projection
from service.settings import Settings, SettingsError


def sql_projections(settings: Settings) -> tuple[SqlProjection, ...]:
    """Every projection that lives in the database."""
    return (usage_projection(settings.usage_minutes_kept),)


async def run_projections(settings: Settings, stop: asyncio.Event) -> None:
    """Fold the journal until `stop` is set. Raises SettingsError, or what is a mistake of this program."""
    if not settings.database_url:
        raise SettingsError("the projections need TALLYSTICK_DATABASE_URL")
    runner = Runner(settings.database_url, sql_projections(settings))
    folding = asyncio.create_task(runner.run(), name="project-role")
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((folding, stopping), return_when=asyncio.FIRST_COMPLETED)
        if folding.done():
            folding.result()
    finally:
        folding.cancel()
        stopping.cancel()
        await asyncio.gather(folding, stopping, return_exceptions=True)

"""`tallystick project`: folds the journal into the projections that live in the database."""

from __future__ import annotations

import asyncio
import signal

import click


@click.command()
def project() -> None:
    """Fold the journal into the projections that live in the database, such as the usage figures.

    Needs TALLYSTICK_DATABASE_URL. Of several processes one folds each projection, the others wait to take over. What an
    older version folded is rebuilt first, while its figures still answer. Runs until SIGINT or SIGTERM.
    """
    import gc

    import uvloop

    from service.cli.connect import checked_settings
    from service.settings import SettingsError
    from service.telemetry.logs import configure_logs

    settings = checked_settings()
    configure_logs(settings.log_level)

    async def until_signalled() -> None:
        from service.bootstrap import run_projector

        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run_projector(settings, stop)

    # A page of facts lives as long as it is folded, and nothing of it in circles: looking for those costs a third.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    try:
        uvloop.run(until_signalled())
    except SettingsError as error:
        raise click.ClickException(str(error)) from error

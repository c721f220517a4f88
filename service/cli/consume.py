"""`tallystick consume`: what reacts to events, apart from the service."""

from __future__ import annotations

import asyncio
import signal

import click


@click.command()
def consume() -> None:
    """Watch the events for abuse, and send them to webhooks.

    Needs TALLYSTICK_DATABASE_URL, TALLYSTICK_NATS_URL, TALLYSTICK_ISSUER and the master key. Several processes share
    the partitions of the anomaly engine; where one ends, the others take over. Runs until SIGINT or SIGTERM.
    """
    import uvloop

    from service.cli.connect import checked_settings
    from service.journal.port import JournalUnavailable
    from service.keys.master import MasterKeyError
    from service.settings import SettingsError
    from service.telemetry.logs import configure_logs

    settings = checked_settings()
    configure_logs(settings.log_level)

    async def until_signalled() -> None:
        from service.bootstrap import run_consumers

        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run_consumers(settings, stop)

    try:
        uvloop.run(until_signalled())
    except (SettingsError, MasterKeyError, JournalUnavailable) as error:
        raise click.ClickException(str(error)) from error

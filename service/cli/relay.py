"""`tallystick relay`: publishes the journal to NATS."""

from __future__ import annotations

import asyncio
import signal

import click


@click.command()
def relay() -> None:
    """Publish the journal to NATS: event N at sequence N of the stream TALLYSTICK.

    Needs TALLYSTICK_DATABASE_URL, TALLYSTICK_NATS_URL and TALLYSTICK_ISSUER. Of several relays one leads, the others
    wait to take over. Runs until SIGINT or SIGTERM.
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
        from service.bootstrap import run_relay

        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run_relay(settings, stop)

    try:
        uvloop.run(until_signalled())
    except (SettingsError, MasterKeyError, JournalUnavailable) as error:
        raise click.ClickException(str(error)) from error

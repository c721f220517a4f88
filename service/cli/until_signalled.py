"""What the commands that run one role share: settings, logs, signals, and telling what keeps the role from running."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from service.settings import Settings

    Role = Callable[[Settings, asyncio.Event], Coroutine[Any, Any, None]]


def run_until_signalled(name: str, role: Role) -> None:
    """Run a role, which ends once its event is set: by SIGINT or SIGTERM. Raises ClickException.

    Its logs say that it is `name`.
    """
    import uvloop

    from service.cli.connect import checked_settings
    from service.journal.port import JournalUnavailable
    from service.keys.master import MasterKeyError
    from service.settings import SettingsError
    from service.telemetry.logs import configure_logs

    settings = checked_settings()
    configure_logs(settings.log_level, name)

    async def running() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await role(settings, stop)

    try:
        uvloop.run(running())
    except (SettingsError, MasterKeyError, JournalUnavailable) as error:
        raise click.ClickException(str(error)) from error

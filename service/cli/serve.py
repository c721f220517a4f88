"""`tallystick serve`: one worker process."""

from __future__ import annotations

import gc
import socket

import click

_GC_THRESHOLDS = (50_000, 20, 50)
"""A request makes no cycles that pile up; at Python's own thresholds collecting took a sixth of a hot one."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="Port to listen on.")
@click.option("--fd", type=int, default=None, hidden=True, help="A listening socket that was handed down.")
def serve(host: str, port: int, fd: int | None) -> None:
    """Answer HTTP requests: one worker. Needs TALLYSTICK_DATABASE_URL, TALLYSTICK_ISSUER and the master key."""
    import uvloop

    from service.bootstrap import run_worker
    from service.http.server import listen
    from service.journal.port import JournalUnavailable
    from service.keys.master import MasterKeyError
    from service.keys.material import UnwrapError
    from service.settings import SettingsError, load_settings
    from service.telemetry.logs import configure_logs

    try:
        settings = load_settings()
        configure_logs(settings.log_level, "serve")
        listener = socket.socket(fileno=fd) if fd is not None else listen(host, port)
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        uvloop.run(run_worker(settings, listener))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    except (SettingsError, MasterKeyError, UnwrapError, JournalUnavailable) as error:
        raise click.ClickException(str(error)) from error

"""Which servers a command talks to: those of the settings, else those of the instance that runs on the home."""

from __future__ import annotations

from dataclasses import dataclass, field

import click
import msgspec

from service.embedded.errors import EmbeddedError
from service.embedded.home import Home, RunInfo
from service.settings import Settings, SettingsError, load_settings


@dataclass(frozen=True)
class Servers:
    """How to reach the servers. The URLs hold passwords, so the representation does not show them.

    `audit_nats_url` is of a user that may only read the stream, where there is one, else `nats_url`.
    """

    database_url: str = field(repr=False)
    owner_database_url: str | None = field(repr=False)
    nats_url: str | None = field(repr=False)
    audit_nats_url: str | None = field(repr=False, default=None)


def servers(settings: Settings) -> Servers:
    """The servers that the settings name, else those of the instance that runs on the home. Raises ClickException."""
    running = None if settings.database_url and settings.nats_url else _running(settings)
    if running is not None and settings.database_url in {None, running.database_url}:
        return _completed(settings, running)
    if settings.database_url is None:
        raise nothing_runs(settings)
    return Servers(settings.database_url, settings.owner_database_url, settings.nats_url, settings.nats_url)


def stream_url(settings: Settings) -> str:
    """How to read the stream, for which no database is needed. Raises ClickException."""
    if settings.nats_url:
        return settings.nats_url
    running = _running(settings)
    found = running and (running.audit_nats_url or running.nats_url)
    if not found:
        raise nothing_runs(settings)
    return found


def nothing_runs(settings: Settings) -> click.ClickException:
    """What to do when the settings do not name the servers and none run."""
    return click.ClickException(
        f"nothing runs on {settings.home}: start `tallystick up`, or set TALLYSTICK_DATABASE_URL and"
        " TALLYSTICK_NATS_URL"
    )


def connected_settings() -> Settings:
    """The settings of the environment, completed with the servers of the running instance. Raises ClickException."""
    settings = checked_settings()
    found = servers(settings)
    return msgspec.structs.replace(settings, database_url=found.database_url, nats_url=found.nats_url)


def checked_settings() -> Settings:
    """The settings of the environment. Raises ClickException."""
    try:
        return load_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


def _running(settings: Settings) -> RunInfo | None:
    try:
        return Home(settings.home).running()
    except EmbeddedError as error:
        raise click.ClickException(str(error)) from error


def _completed(settings: Settings, running: RunInfo) -> Servers:
    return Servers(
        running.database_url,
        settings.owner_database_url or running.owner_database_url,
        settings.nats_url or running.nats_url,
        settings.nats_url or running.audit_nats_url or running.nats_url,
    )

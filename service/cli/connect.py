"""Which servers a command talks to: those of the settings, else those of the instance that runs on the home."""

from __future__ import annotations

from dataclasses import dataclass, field

import click
import msgspec

from service.embedded.errors import EmbeddedError
from service.embedded.home import Home
from service.settings import Settings, SettingsError, load_settings


@dataclass(frozen=True)
class Servers:
    """How to reach the servers. The URLs hold passwords, so the representation does not show them."""

    database_url: str = field(repr=False)
    owner_database_url: str | None = field(repr=False)
    nats_url: str | None = field(repr=False)


def servers(settings: Settings) -> Servers:
    """The servers that the settings name, else those of the instance that runs on the home. Raises ClickException."""
    if settings.database_url is not None:
        return Servers(settings.database_url, settings.owner_database_url, settings.nats_url)
    try:
        running = Home(settings.home).running()
    except EmbeddedError as error:
        raise click.ClickException(str(error)) from error
    if running is None:
        raise click.ClickException(
            f"no instance runs on {settings.home}: start one with `tallystick up`, or set TALLYSTICK_DATABASE_URL"
        )
    return Servers(running.database_url, running.owner_database_url, settings.nats_url or running.nats_url)


def connected_settings() -> Settings:
    """The settings of the environment, completed with the servers of the running instance. Raises ClickException."""
    try:
        settings = load_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    found = servers(settings)
    return msgspec.structs.replace(settings, database_url=found.database_url, nats_url=found.nats_url)

"""The settings of the deployment: those of the instance that runs on the home, as far as this account may see them.

`tallystick up` runs with the environment it was started in, which need not be that of the shell that asks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from service.embedded.home import RunInfo
from service.settings import PREFIX, Settings, load_settings

_NOT_COMPARED = frozenset({"home", "database_url", "owner_database_url", "nats_url", "issuer"})
"""`tallystick up` gives its own values to these."""


class Deployed(NamedTuple):
    """The settings that run. `local_url` is the server's own address where it runs on this machine, `audit_nats_url`
    of a user that may only read the stream, `differing` the variables that this shell has otherwise.
    """

    settings: Settings
    local_url: str | None
    audit_nats_url: str | None
    differing: tuple[str, ...]


def deployed(shell: Settings, running: RunInfo | None, proc: Path = Path("/proc")) -> Deployed:
    """The settings that run: those of `running` where its environment can be read, else those of the shell.

    Raises SettingsError for an environment that no version of this reads.
    """
    if running is None or shell.database_url not in {None, running.database_url}:
        plain = msgspec.structs.replace(shell, issuer=shell.issuer and shell.issuer.rstrip("/"))
        return Deployed(plain, None, None, ())
    theirs = _settings_of(running.pid, proc)
    settings = shell if theirs is None else theirs
    completed = msgspec.structs.replace(
        settings,
        home=shell.home,
        database_url=running.database_url,
        owner_database_url=running.owner_database_url,
        nats_url=running.nats_url,
        issuer=(settings.issuer or running.http_url).rstrip("/"),
    )
    differing = () if theirs is None else _differing(shell, theirs)
    return Deployed(completed, running.http_url, running.audit_nats_url, differing)


def _settings_of(pid: int, proc: Path) -> Settings | None:
    """The settings in the environment of a process, files as it finds them; None where they cannot be read."""
    try:
        environment = _parsed((proc / str(pid) / "environ").read_bytes())
        folder = (proc / str(pid) / "cwd").readlink()
    except OSError:
        return None
    settings = load_settings(environment)
    paths = {
        name: folder / value
        for name in settings.__struct_fields__
        if isinstance(value := getattr(settings, name), Path)
    }
    return msgspec.structs.replace(settings, **paths)


def _parsed(raw: bytes) -> Mapping[str, str]:
    pairs = (os.fsdecode(each).partition("=") for each in raw.split(b"\0"))
    return {name: value for name, _, value in pairs if name.startswith(PREFIX)}


def _differing(shell: Settings, theirs: Settings) -> tuple[str, ...]:
    """Names alone: a value may be a secret. A file is the same one by whichever path."""
    return tuple(
        PREFIX + name.upper()
        for name in shell.__struct_fields__
        if name not in _NOT_COMPARED and _plain(getattr(shell, name)) != _plain(getattr(theirs, name))
    )


def _plain(value: object) -> object:
    return value.absolute() if isinstance(value, Path) else value

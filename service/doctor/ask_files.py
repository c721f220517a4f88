"""Files of this machine that hold secrets: who else can use them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from service.doctor.facts import FileFacts, Opened
from service.embedded.home import Home
from service.settings import Settings

_OF_HOME = ("secrets.json", "run.json", "nats.conf", "tls/key.pem")
_LISTED = 0o067
"""The group may pass through the home, as PostgreSQL's account does, and no more; others may not even that."""

_OTHERS = 0o077


def ask_files(settings: Settings, differing: tuple[str, ...]) -> FileFacts:
    """Which of them more than their owner can use. Files that are not there are fine."""
    home = Home(settings.home).path
    key = settings.master_key_file or home / "master.key"
    return FileFacts(
        settings=settings,
        home=_opened(home, _LISTED) if (home / "lock").exists() else None,
        master_key=None if settings.master_key is not None else _opened(key, _OTHERS),
        open=tuple(each for path in _secret_files(settings, home) if (each := _opened(path, _OTHERS)) is not None),
        differing=differing,
    )


def _secret_files(settings: Settings, home: Path) -> Iterator[Path]:
    yield from (home / name for name in _OF_HOME)
    if settings.tls_key is not None:
        yield settings.tls_key
    try:
        yield from sorted((home / "secrets").iterdir())
    except OSError:
        return


def _opened(path: Path, mask: int) -> Opened | None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    return Opened(path, mode) if mode & mask else None

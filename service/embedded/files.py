"""Private files: directories 0700, files 0600, replaced as a whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

from service.embedded.errors import EmbeddedError

LOG_LIMIT = 16 * 1024 * 1024
LOG_KEPT = 1024 * 1024
LITTLE_SPACE = 64 * 1024 * 1024
OPEN_TO_GROUP = 0o710
"""The mode of a private directory that the PostgreSQL account's own group may traverse, and not list."""


def make_private_dir(path: Path, *, traversed: bool = False) -> None:
    """Make `path` if it is missing, and give it 0700 in any case. Raises OSError.

    One that PostgreSQL's account has to get through is `traversed`: where it is OPEN_TO_GROUP it stays so all the time,
    because a server that is still ending removes its files through it.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    if not (traversed and path.stat().st_mode & 0o777 == OPEN_TO_GROUP):
        path.chmod(0o700)


def write_private(path: Path, content: str) -> None:
    """Replace `path` (0600) by `content`, durably: a reader sees the old whole or the new whole. Raises OSError."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_dir(path.parent)


def sync_dir(path: Path) -> None:
    """Make the names in directory `path` durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LogFile:
    """A server's output: appended to by the server itself, kept within LOG_LIMIT bytes by `trim`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark = 0

    def open(self, header: str) -> int:
        """Append `header` as a line and return a descriptor to append to; the caller closes it. Raises OSError."""
        self.trim()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._mark = os.fstat(descriptor).st_size
            os.write(descriptor, f"--- {header}\n".encode())
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def trim(self) -> None:
        """Once the file is over its limit, move the end of it to `<name>.1` and begin it anew. Raises OSError."""
        if not self.path.exists() or self.path.stat().st_size <= LOG_LIMIT:
            return
        write_private(self.path.with_name(self.path.name + ".1"), self._read(self.path.stat().st_size - LOG_KEPT))
        os.truncate(self.path, 0)
        self._mark = 0

    def since_start(self) -> str:
        """What was written since the last `open`, at most the last LOG_KEPT bytes; empty if it cannot be read."""
        try:
            return self._read(max(self._mark, self.path.stat().st_size - LOG_KEPT))
        except OSError:
            return ""

    def _read(self, start: int) -> str:
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read().decode(errors="replace")


def space_hint(path: Path) -> str:
    """A sentence to add to a failure when less than LITTLE_SPACE bytes are free under `path`, else the empty string."""
    try:
        free = shutil.disk_usage(path).free
    except OSError:
        return ""
    return f"; little disk space is left: {free // 1024} KiB at {path}" if free < LITTLE_SPACE else ""


def told(path: Path, error: OSError) -> EmbeddedError:
    """An operating system's refusal concerning `path` as a message to a person."""
    hint = space_hint(path) if error.errno in {errno.ENOSPC, errno.EDQUOT} else ""
    return EmbeddedError(f"cannot use {error.filename or path}: {error.strerror or error}{hint}")

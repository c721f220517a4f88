"""A file of events, one a line, that is its own checkpoint: `tallystick audit tail --into FILE`.

Whole lines only, each position once: what a kill left of a line is cut off at the next start, which goes on after the
last whole one. So a kill neither loses an event nor doubles one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from schema.envelope import RecordedEvent
from service.cli.event_formats import Format

_STEP = 1 << 16
_MODE = 0o640


class EventFileError(Exception):
    """The file cannot be written to, or goes on with something else."""


class EventFile:
    """An open file of events; `last` is the position of its last line, None where it has none.

    Raises EventFileError for a file whose last line is an event of another format.
    """

    def __init__(self, path: Path, file: FileIO, kind: Format) -> None:
        self._path = path
        self._file = file
        self._kind = kind
        line = _last_line(file)
        try:
            self.last = None if line is None else kind.position_of(line)
        except ValueError as error:
            raise EventFileError(f"{path}: its last line is no event in this format: {error}") from error

    def append(self, event: RecordedEvent) -> None:
        """Write a line by one call, so that who reads along sees whole lines. Raises EventFileError."""
        rest = memoryview(self._kind.line(event).encode() + b"\n")
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise EventFileError(f"{self._path}: {error.strerror or error}") from error


@contextmanager
def event_file(path: Path, kind: Format) -> Iterator[EventFile]:
    """The file, made where there is none, for this process alone. Raises EventFileError."""
    with _opened(path) as file:
        yield EventFile(path, file, kind)


def _opened(path: Path) -> FileIO:
    try:
        file = FileIO(path, "a+", opener=lambda name, flags: os.open(name, flags, _MODE))
    except OSError as error:
        raise EventFileError(f"{path}: {error.strerror or error}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise EventFileError(f"{path}: another process writes to it") from None
    return file


def _last_line(file: FileIO) -> bytes | None:
    """The last whole line; what stands behind it is cut off."""
    end = _newline_before(file, file.seek(0, os.SEEK_END))
    file.truncate(end)
    if not end:
        return None
    begin = _newline_before(file, end - 1)
    file.seek(begin)
    line = b""
    while piece := file.read(end - begin - len(line)):
        line += piece
    return line


def _newline_before(file: FileIO, end: int) -> int:
    """Where the line begins that ends at `end`: behind the line break before it, or at the beginning."""
    while end:
        begin = max(0, end - _STEP)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0

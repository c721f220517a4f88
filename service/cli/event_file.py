"""A file of events, one a line, that is its own checkpoint: `tallystick audit tail --into FILE`.

Whole lines only, each position once: what a kill left of a line is cut off at the next start, which goes on after the
last whole one. So a kill neither loses an event nor doubles one. A file of anything else is left as it is.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

import msgspec

from schema.envelope import RecordedEvent
from service.cli.event_formats import Format

_STEP = 1 << 16
_MODE = 0o640
_BEGINS_WITH = b"{"
"""So does an event in every format, whatever a kill left of it."""
_LONGEST = 1 << 24
"""Bytes; no event is longer."""


class EventFileError(Exception):
    """The file cannot be written to, or goes on with something else."""


class EventFile:
    """An open file of events; `last` is the position of its last line, None where it has none.

    Raises EventFileError for a file whose last line is no event of this format, and changes nothing in it then.
    """

    def __init__(self, path: Path, file: FileIO, kind: Format) -> None:
        self._path = path
        self._file = file
        self._kind = kind
        size = file.seek(0, os.SEEK_END)
        end = _newline_before(file, size)
        begin = _newline_before(file, end - 1) if end else 0
        try:
            self.last = kind.position_of(_between(file, begin, end)) if end else None
        except ValueError as error:
            raise EventFileError(f"{path}: its last line is no event in this format: {error}") from error
        if end < size:
            if size - end > _LONGEST or not _is_part(_between(file, end, size), kind):
                raise EventFileError(f"{path}: what it ends with is no part of an event")
            file.truncate(end)

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
        _refuse_other_than_files(path)
        file = FileIO(path, "a+", opener=lambda name, flags: os.open(name, flags, _MODE))
    except OSError as error:
        raise EventFileError(f"{path}: {error.strerror or error}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise EventFileError(f"{path}: another process writes to it") from None
    return file


def _refuse_other_than_files(path: Path) -> None:
    """A pipe, a socket or a device has no last line; a folder is refused when it is opened."""
    with suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise EventFileError(f"{path}: it is no regular file, and so cannot tell where it ends")


def _is_part(line: bytes, kind: Format) -> bool:
    """Whether a kill may have left this of an event: all but the end of its line, or less, which is no JSON."""
    try:
        kind.position_of(line)
    except msgspec.DecodeError:
        return line.startswith(_BEGINS_WITH)
    except ValueError:
        return False
    return True


def _between(file: FileIO, begin: int, end: int) -> bytes:
    file.seek(begin)
    found = b""
    while piece := file.read(end - begin - len(found)):
        found += piece
    return found


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

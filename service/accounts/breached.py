"""Passwords known from data breaches, looked up in a file such as Have I Been Pwned's downloader makes.

Each line is the SHA-1 of a password in hex, alone or with `:` and how often it was seen, and lines are sorted. The
file, of tens of gigabytes, is neither loaded nor read through: some forty seeks find a line.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import BinaryIO

from service.accounts.text import NotAllowed, normal_password

BREACHED = "is known from a data breach"

_LINE = re.compile(rb"([0-9A-Fa-f]{40})(?::[0-9]+)?\r?\n?")
_LONGEST_LINE = 80


class BreachedUnreadable(Exception):
    """The file cannot be read, or is not such a list. The message names it."""


def is_breached(path: Path, password: str) -> bool:
    """Whether the file has a password, in its normal form. Blocks for the seeks. Raises BreachedUnreadable."""
    try:
        normal = normal_password(password)
    except NotAllowed:
        return False
    wanted = hashlib.sha1(normal.encode(), usedforsecurity=False).hexdigest().upper().encode()
    try:
        with path.open("rb") as file:
            return _first_from(file, wanted) == wanted
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BreachedUnreadable(f"the list of breached passwords {path} cannot be used: {reason}") from error


def _first_from(file: BinaryIO, wanted: bytes) -> bytes | None:
    """The first hash that is not before `wanted`, None where all are before it."""
    low, high = 0, file.seek(0, os.SEEK_END)
    while low < high:
        middle = (low + high) // 2
        found = _hash_after(file, middle)
        if found is not None and found < wanted:
            low = middle + 1
        else:
            high = middle
    return _hash_after(file, low)


def _hash_after(file: BinaryIO, offset: int) -> bytes | None:
    """The hash of the first line that begins at `offset` or behind it, None where there is none."""
    file.seek(max(offset - 1, 0))
    if offset > 0:
        file.readline(_LONGEST_LINE)
    line = file.readline(_LONGEST_LINE)
    if not line:
        return None
    matched = _LINE.fullmatch(line)
    if matched is None:
        raise ValueError("its lines are not SHA-1 hashes")
    return matched[1].upper()

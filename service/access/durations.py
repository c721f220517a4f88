"""Durations as people write them: seconds, or a number with s, m, h or d."""

from __future__ import annotations

import re

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_WRITTEN = re.compile(r"([0-9]{1,9})([smhd]?)")


def parse_duration(text: str) -> int:
    """Seconds of `90`, `90s`, `10m`, `24h` or `7d`. Raises ValueError, with what is expected."""
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise ValueError("expected seconds, or a number with s, m, h or d, such as 10m")
    return int(written[1]) * _UNITS[written[2]]


def written_duration(seconds: int) -> str:
    """Seconds in the largest unit that fits evenly, such as `10m`."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"

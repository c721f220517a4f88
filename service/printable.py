"""What a caller wrote, made safe to store and to show."""

from __future__ import annotations

import re

_NOT_SHOWN = re.compile(r"[^\x20-\x7e]")
_LIKE_A_SECRET = re.compile(r"(tly_[a-z]{2}_|eyJ)[A-Za-z0-9_.~+/-]+")


def printable(text: str, limit: int) -> str:
    """At most `limit` characters, visible ASCII only, and nothing that looks like a handle or a JWT of ours or others:
    a secret that was put into the wrong field must not end up in an event (promise 5).
    """
    return _LIKE_A_SECRET.sub(r"\1...", _NOT_SHOWN.sub("?", text[:limit]))


def readable(text: str, limit: int) -> str:
    """The same of what a person wrote, in any script: no invisible characters, none that turn the direction."""
    return _LIKE_A_SECRET.sub(r"\1...", "".join(filter(str.isprintable, text))[:limit])

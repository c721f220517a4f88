"""The style sheet, scripts and pictures of the pages, read once; a file's address changes with what is in it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HASH_LENGTH = 16


class Asset(NamedTuple):
    """A file: the path of its URL, its content type and its bytes."""

    path: str
    content_type: str
    body: bytes


def _read(file: Path) -> Asset:
    body = file.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:_HASH_LENGTH]
    return Asset(f"/assets/{file.stem}.{digest}{file.suffix}", _CONTENT_TYPES[file.suffix], body)


ASSETS = {file.name: _read(file) for file in sorted((Path(__file__).parent / "assets").iterdir())}


def asset_path(name: str) -> str:
    """The path at which a file is served."""
    return ASSETS[name].path

"""The master key: 32 bytes from a setting or a private file, from which every other server-side key is derived.

Each use has a key of its own, by HKDF-SHA-256 (RFC 5869) with the use as its info.
"""

from __future__ import annotations

import os
import secrets
import stat
from base64 import b64decode, b64encode
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.settings import Settings

_LENGTH = 32


class MasterKeyError(Exception):
    """The master key cannot be had. The message says why, never the key."""


class DerivedKeys(NamedTuple):
    """The keys of each use, 32 bytes each."""

    digests: bytes
    wrapping: bytes
    passwords: bytes
    sealing: bytes
    pairwise: bytes


def load_keys(settings: Settings, *, create: bool = False) -> DerivedKeys:
    """The derived keys of this deployment.

    The master key is `master_key` (base64), else the file `master_key_file`, else `<home>/master.key`, which `create`
    makes. Raises MasterKeyError.
    """
    if settings.master_key is not None:
        return _derive(_decoded(settings.master_key, "TALLYSTICK_MASTER_KEY"))
    path = settings.master_key_file or settings.home / "master.key"
    if create and settings.master_key_file is None and not path.exists():
        try:
            _write_new(path)
        except OSError as error:
            raise MasterKeyError(f"no master key can be made at {path}: {error.strerror}") from error
    return _derive(_read(path))


def _read(path: Path) -> bytes:
    try:
        text = path.read_text().strip()
        mode = stat.S_IMODE(path.stat().st_mode)
    except UnicodeDecodeError as error:
        raise MasterKeyError(f"{path} is not base64") from error
    except OSError as error:
        raise MasterKeyError(f"no master key: set TALLYSTICK_MASTER_KEY, or make {path} readable ({error})") from error
    if mode & 0o077:
        raise MasterKeyError(f"{path} can be read by others (mode {mode:o}): chmod 600 it")
    return _decoded(text, str(path))


def _write_new(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(b64encode(secrets.token_bytes(_LENGTH)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())


def _decoded(text: str, where: str) -> bytes:
    try:
        key = b64decode(text, validate=True)
    except ValueError as error:
        raise MasterKeyError(f"{where} is not base64") from error
    if len(key) != _LENGTH:
        raise MasterKeyError(f"{where} holds {len(key)} bytes; a master key has {_LENGTH}")
    return key


def _derive(master: bytes) -> DerivedKeys:
    def derived(use: str) -> bytes:
        return HKDF(hashes.SHA256(), _LENGTH, salt=None, info=f"tallystick {use} v1".encode()).derive(master)

    return DerivedKeys(
        digests=derived("digests"),
        wrapping=derived("key wrapping"),
        passwords=derived("passwords"),
        sealing=derived("sealing"),
        pairwise=derived("pairwise subjects"),
    )

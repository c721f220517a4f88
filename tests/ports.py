"""Ports for the servers that a test starts by their number.

A port of 0 lets the system choose, and leaves no time in which another may take it: what can be told so, is. For the
others a port is looked for where the system never chooses from, be it for a listener or for a connection that goes
out, and is kept from all other test runs on this machine until this one ends.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

_RANGE = range(20_000, 32_000)
_LOCKS = Path(tempfile.gettempdir()) / f"tallystick-test-ports-{os.getuid()}"

_held: list[int] = []
"""Descriptors of locked files: the locks go with the process."""


def free_port() -> int:
    """A loopback port that nobody has, and nobody but the caller will get here."""
    _LOCKS.mkdir(mode=0o700, exist_ok=True)
    for port in random.sample(_RANGE, len(_RANGE)):
        if _lock(port):
            with socket.socket() as probe, suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise AssertionError(f"there is no free port in {_RANGE}")


def _lock(port: int) -> bool:
    """Whether the port could be kept for this process."""
    file = os.open(_LOCKS / str(port), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    _held.append(file)
    return True

"""What runs on a cluster: its server by postmaster.pid, and sessions that outlived their server."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from service.embedded.process import arguments_of, wait_until

PATIENCE = 2.0
SIGNAL_LIMIT = 5.0


def _postmaster_lines(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def postmaster_pid(data: Path) -> int | None:
    """The pid that the server of this cluster wrote; it may have ended since, and the pid be another's."""
    with suppress(IndexError, ValueError):
        return int(_postmaster_lines(data)[0])
    return None


def is_ready(data: Path, pid: int) -> bool:
    """The last of the eight lines of postmaster.pid says `ready`, as pg_ctl reads it."""
    lines = _postmaster_lines(data)
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004


def serves(pid: int, data: Path) -> bool:
    """Whether that process is a server of this cluster."""
    arguments = arguments_of(pid)
    return bool(arguments) and Path(arguments[0]).name == "postgres" and str(data) in " ".join(arguments)


async def end_orphans(data: Path) -> None:
    """Wait for sessions whose server is gone: while one lives, its shared memory block bars the next server."""
    if await wait_until(lambda: not _orphans(data), PATIENCE):
        return
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for pid in _orphans(data):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        await wait_until(lambda: not _orphans(data), SIGNAL_LIMIT)


def _orphans(data: Path) -> list[int]:
    """Processes that call themselves `postgres: …` and work in `data`. Only Linux tells; elsewhere they end unaided."""
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _is_session(entry, data)]


def _is_session(entry: Path, data: Path) -> bool:
    with suppress(OSError):
        return (entry / "cmdline").read_bytes().startswith(b"postgres: ") and (entry / "cwd").readlink() == data
    return False

"""Tallystick's own child processes, workers and relay, and the register that finds leftovers of a killed run."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from service.embedded.files import write_private
from service.embedded.process import Child, Command, identity, spawn, stop_stranger

STOP_STEPS = ((signal.SIGTERM, 10.0),)
LEFTOVER_STEPS = ((signal.SIGTERM, 3.0),)


class _Written(msgspec.Struct, frozen=True):
    """The register's file. A copy of it in another folder is none: its processes are those of the original."""

    folder: str
    programs: dict[str, str]


class Register:
    """Which processes a run started, in a private file: a worker that still drains would hold the HTTP port."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, str] = {}

    async def stop_leftovers(self, say: Callable[[str], None]) -> None:
        """End what a killed run left. A pid that now belongs to another process is left alone. Raises OSError."""
        await asyncio.gather(*(_stop_leftover(int(pid), started, say) for pid, started in self._read().items()))
        self._path.unlink(missing_ok=True)

    def add(self, pid: int) -> None:
        """Remember a process that was just started, and forget those that have ended. Raises OSError."""
        living = {key: started for key, started in self._known.items() if identity(int(key)) == started}
        self._known = {**living, str(pid): identity(pid) or ""}
        written = _Written(str(self._path.parent.resolve()), self._known)
        write_private(self._path, msgspec.json.encode(written).decode())

    def _read(self) -> dict[str, str]:
        try:
            written = msgspec.json.decode(self._path.read_bytes(), type=_Written)
            return written.programs if written.folder == str(self._path.parent.resolve()) else {}
        except (FileNotFoundError, msgspec.DecodeError):
            return {}


async def _stop_leftover(pid: int, started: str, say: Callable[[str], None]) -> None:
    if identity(pid) == started:
        say(f"stopping a process that a killed run left (pid {pid})")
        await stop_stranger(pid, lambda: identity(pid) == started, LEFTOVER_STEPS)


@dataclass(frozen=True, kw_only=True)
class Program:
    """A worker or the relay, to be supervised. Its output goes through to our stderr."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    stop_rank: int
    register: Register
    metrics_dir: Path
    pass_fds: Sequence[int] = ()

    async def start(self) -> Child:
        """Start it; it is not waited for. Raises OSError."""
        self._forget_gauges_of_the_dead()
        child = await spawn(Command(name=self.name, argv=self.argv, env=self.env, pass_fds=self.pass_fds))
        try:
            self.register.add(child.pid)
        except BaseException:
            await self.stop(child)
            raise
        return child

    async def stop(self, child: Child) -> None:
        """Ask it to end; it has ten seconds for the requests it has begun."""
        await child.stop(STOP_STEPS)

    def last_words(self) -> str:
        """Empty: what it said went to our stderr."""
        return ""

    def _forget_gauges_of_the_dead(self) -> None:
        """What prometheus_client asks for: a gauge of living processes must not count one that was killed."""
        for file in self.metrics_dir.glob("gauge_live*.db"):
            pid = file.stem.rpartition("_")[2]
            if pid.isdigit() and identity(int(pid)) is None:
                file.unlink(missing_ok=True)

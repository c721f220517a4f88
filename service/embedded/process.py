"""Child processes: started tied to this one, watched, and stopped within a bound."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from service.embedded import tether

POLL = 0.02
STDERR = 2
HAS_PROC = Path("/proc/self/stat").exists()

StopSteps = Sequence[tuple[signal.Signals, float]]
"""Signals to send in turn, each with the seconds that the process has to obey it."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program to run. `output` is a descriptor for stdout and stderr; None lets both through to our stderr."""

    name: str
    argv: Sequence[str]
    death_signal: signal.Signals = signal.SIGTERM
    user: tuple[int, int] | None = None
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: str | None = None
    output: int | None = None
    pass_fds: Sequence[int] = ()


class Child:
    """A running child, in a session of its own so that a terminal's Ctrl-C does not reach it."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process has ended and was waited for."""
        return self._process.returncode is not None

    async def wait(self) -> int:
        """The exit code once it has ended; minus the signal's number if a signal ended it."""
        return await self._process.wait()

    async def stop(self, steps: StopSteps) -> int:
        """Send the signals in turn until it has ended, SIGKILL at last; returns the exit code."""
        for number, seconds in steps:
            if self.ended:
                break
            self._process.send_signal(number)
            try:
                async with asyncio.timeout(seconds):
                    return await self.wait()
            except TimeoutError:
                continue
        if not self.ended:
            self._process.kill()
        return await self.wait()


async def spawn(command: Command) -> Child:
    """Start a child tied to this thread's life (so call it from a thread that stays). Raises OSError."""
    return Child(command.name, await _create(command, STDERR if command.output is None else command.output))


async def capture(command: Command) -> tuple[int, str]:
    """Run a program to its end, and end it if cancelled. Returns its exit code and all its output. Raises OSError."""
    process = await _create(command, subprocess.PIPE)
    try:
        output, _ = await process.communicate()
    finally:
        await Child(command.name, process).stop(())
    return await process.wait(), output.decode(errors="replace")


async def _create(command: Command, output: int) -> asyncio.subprocess.Process:
    uid, gid = command.user or (-1, -1)
    tie = (int(command.death_signal), os.getpid(), uid, gid)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", tether.__file__, *map(str, tie), *command.argv),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=command.env,
        cwd=command.cwd,
        pass_fds=command.pass_fds,
        start_new_session=True,
        umask=0o077,
    )


def describe_exit(code: int) -> str:
    """An exit code as `Child.wait` gives it, in words."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def arguments_of(pid: int) -> list[str]:
    """The argument list of a process of any parent; empty if there is none, or if it has ended."""
    if HAS_PROC:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        except OSError:
            return []
    listing = subprocess.run(
        ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listing.stdout.split()


async def stop_stranger(pid: int, is_ours: Callable[[], bool], steps: StopSteps) -> None:
    """Stop a process that is no child of ours, a leftover of a killed run, for as long as `is_ours` says it is it."""
    for number, seconds in (*steps, (signal.SIGKILL, 5.0)):
        if not is_ours():
            return
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        await wait_until(lambda: not is_ours(), seconds)


async def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Look every POLL seconds whether `condition` holds, for at most `seconds`; returns whether it does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL)
    return True


def identity(pid: int) -> str | None:
    """What tells this process from a later one with the same pid: when it started. None if there is no such process."""
    if HAS_PROC:
        try:
            status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        fields = status.rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    listing = subprocess.run(["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listing.stdout.strip() or None

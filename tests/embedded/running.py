"""`up` as a process that a test can kill, with stand-ins for worker and relay."""

from __future__ import annotations

import selectors
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from service.embedded.home import Home, RunInfo
from service.embedded.process import arguments_of

DRIVER = "tests.embedded.driver"
READY_LIMIT = 60.0


class Up:
    """A running driver: `up` with stand-ins for worker and relay."""

    def __init__(self, home: Path, *, port: int = 0, relay: str = "idle", workers: int = 1) -> None:
        self.home = home
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed by `end`
        arguments = (str(home), str(port), relay, str(workers))
        self.process = subprocess.Popen(
            [sys.executable, "-m", DRIVER, *arguments],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def ready(self) -> RunInfo:
        """Wait for the line `ready …`, and give what run.json then says."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(READY_LIMIT), self.errors()
        line = self.process.stdout.readline().strip()
        assert line.startswith("ready http://127.0.0.1:"), self.errors()
        info = Home(self.home).running()
        assert info is not None
        return info

    def errors(self) -> str:
        """What it said so far on stderr."""
        self._errors.seek(0)
        return self._errors.read()

    def signal(self, number: signal.Signals, seconds: float = 40.0) -> int:
        """Signal the process and wait for its end; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def end(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(40)
            self.process.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.wait()
        self._errors.close()


class Ups:
    """Starts `up` processes, and ends them when the test ends."""

    def __init__(self) -> None:
        self._started: list[Up] = []

    def __call__(self, home: Path, *, port: int = 0, relay: str = "idle", workers: int = 1) -> Up:
        """Start one on `home`."""
        self._started.append(Up(home, port=port, relay=relay, workers=workers))
        return self._started[-1]

    def end(self) -> None:
        """End those that still run."""
        for each in self._started:
            each.end()


def processes_of(home: Path) -> list[int]:
    """Processes that have `home` in their arguments, the driver aside: PostgreSQL, its sessions' parent, NATS."""
    listed = (int(entry.name) for entry in Path("/proc").glob("[0-9]*"))
    return [pid for pid in listed if str(home) in " ".join(arguments_of(pid)) and DRIVER not in arguments_of(pid)]

"""A peer's server as a process: started, waited for, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from benchmarks.peers.peer import Unavailable

_READY_SECONDS = 300.0
_END_SECONDS = 30.0
_BETWEEN_SECONDS = 0.1


class Server:
    """A program and all that it starts, on one core and in a process group of its own.

    What it prints goes to a file.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        folder: Path,
        core: str,
        env: Mapping[str, str] = {},
        cwd: Path | None = None,
    ) -> None:
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["taskset", "-c", core, *map(str, command)],
                cwd=cwd or folder,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, url: str) -> None:
        """Return once the address is answered with 200. Raises Unavailable, with the end of the log."""
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise Unavailable(f"it ended with code {self._process.returncode}: {self._tail()}")
            with suppress(httpx.TransportError):
                if httpx.get(url).status_code == httpx.codes.OK:
                    return
            time.sleep(_BETWEEN_SECONDS)
        self.stop()
        raise Unavailable(f"it was not ready after {_READY_SECONDS:.0f} s: {self._tail()}")

    def processes(self) -> list[psutil.Process]:
        """The program and all its descendants."""
        process = psutil.Process(self._process.pid)
        return [process, *process.children(recursive=True)]

    def stop(self) -> None:
        """End it: by SIGTERM, and what has not gone after half a minute by SIGKILL."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-2_000:]

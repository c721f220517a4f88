"""What a peer is fetched with: pinned files, fetched once, into folders that git ignores."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peers.peer import Unavailable

ROOT = Path(__file__).parents[2]
"""The repository: programs of a peer are modules of it."""
_ENDS = 2_000


def run(command: Sequence[str | Path], cwd: Path, env: Mapping[str, str] = {}) -> None:
    """Run one step. Raises Unavailable with the end of what it printed."""
    ran = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **env},
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if ran.returncode != 0:
        raise Unavailable(f"{command[0]} ended with code {ran.returncode}: {ran.stdout[-_ENDS:]}")


class Stamp:
    """Says whether what is installed is what the pinned files ask for."""

    def __init__(self, folder: Path, *pinned: Path) -> None:
        self._file = folder / ".installed" / "pinned"
        self._pinned = pinned

    def current(self) -> bool:
        """Whether it was installed from these files, unchanged since."""
        return self._file.exists() and self._file.read_text() == self._digest()

    def set(self) -> None:
        """Say so."""
        self._file.parent.mkdir(exist_ok=True)
        self._file.write_text(self._digest())

    def _digest(self) -> str:
        digest = hashlib.sha256(sys.version.encode())
        for file in self._pinned:
            digest.update(file.read_bytes())
        return digest.hexdigest()


class PythonPackages:
    """Packages of a peer's requirements.lock, in a .venv beside it: they are no tools of Tallystick."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = folder / "requirements.lock"
        self._stamp = Stamp(folder, self._lock)
        self.python = folder / ".venv" / "bin" / "python"

    def version(self, package: str) -> str:
        """As the lock has it."""
        pinned = (line.split()[0].split("==") for line in self._lock.read_text().splitlines() if "==" in line)
        return dict(pinned)[package]

    def install(self) -> None:
        """Where that has not been done. Raises Unavailable."""
        if self._stamp.current():
            return
        run([sys.executable, "-m", "venv", "--clear", ".venv"], self._folder)
        pip: list[str | Path] = [
            self.python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "--only-binary",
            ":all:",
        ]
        run([*pip, "-r", self._lock], self._folder)
        self._stamp.set()

    def gunicorn(self, port: int, application: str) -> list[str | Path]:
        """The command that serves an application with one worker of one thread, on a port of this machine."""
        options = ["--worker-class", "gthread", "--workers", "1", "--threads", "1", "--keep-alive", "75"]
        return [self.python, "-m", "gunicorn", *options, "--bind", f"127.0.0.1:{port}", application]

"""README's commands, from a clean clone, as a stranger types them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIRST_START = 300.0
LATER_START = 30.0
"""Seconds that nobody would wait longer; how long it takes on an idle machine, a benchmark tells."""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(700)]


@pytest.fixture
def clone() -> Iterator[Path]:
    """A clean clone of what is committed."""
    folder = Path(tempfile.mkdtemp(prefix="tallystick clone ", dir="/tmp"))
    folder.chmod(0o711)
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder / "tallystick")], check=True)
    yield folder / "tallystick"
    shutil.rmtree(folder)


def _environment() -> dict[str, str]:
    hidden = ("TALLYSTICK_", "VIRTUAL_ENV", "PYTEST_", "MAKE", "MFLAGS")
    return {key: value for key, value in os.environ.items() if not key.startswith(hidden)}


class _Up:
    """`make up` on a free port, until its hints are printed."""

    def __init__(self, clone: Path) -> None:
        began = time.monotonic()
        self._process = subprocess.Popen(
            ["make", "up", "ARGS=--port 0"],
            cwd=clone,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        self.lines: list[str] = []
        self._read_hints()
        self.seconds = time.monotonic() - began

    def _read_hints(self) -> None:
        assert self._process.stdout is not None
        while not any("audit check" in line for line in self.lines):
            line = self._process.stdout.readline()
            assert line, self.lines
            self.lines.append(line)

    def hints(self) -> str:
        """The lines to try, as a script."""
        start = next(number for number, line in enumerate(self.lines) if line.startswith("Try"))
        return "".join(line for line in self.lines[start:] if line.startswith("  "))

    def interrupt(self) -> int:
        """Ctrl-C: the whole foreground group gets the signal."""
        os.killpg(self._process.pid, signal.SIGINT)
        self._process.communicate(timeout=40)
        return self._process.returncode


def test_make_up_from_a_clean_clone(clone: Path) -> None:
    """The first start is ready in time and the printed lines work as printed; a later start is soon ready."""
    first = _Up(clone)
    try:
        tried = subprocess.run(
            ["sh", "-e", "-c", first.hints()], cwd=clone, env=_environment(), capture_output=True, text=True, check=True
        )
    finally:
        first.interrupt()
    later = _Up(clone)
    later.interrupt()

    assert first.seconds < FIRST_START
    assert later.seconds < LATER_START
    assert re.search(r'"active":true,"scope":"[^"]+","client_id":"billing-worker"', tried.stdout)
    assert '{"active":false}' in tried.stdout
    assert "token.revoked" in tried.stdout
    assert "whole" in tried.stdout
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(clone) not in processes


def test_make_help_lists_the_targets(clone: Path) -> None:
    """`make help` names every target that the README names."""
    listed = subprocess.run(["make", "help"], cwd=clone, capture_output=True, text=True, check=True).stdout
    named = set(re.findall(r"(?:`|^    )make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE))

    assert {name for name in named if f"make {name} " not in listed} == set()

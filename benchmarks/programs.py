"""Programs that a benchmark needs beside Python's packages."""

from __future__ import annotations

import shutil
import sys


def lacks(*programs: str) -> str | None:
    """What is missing of these programs, as a sentence; None where nothing is."""
    missing = [program for program in programs if shutil.which(program) is None]
    return f"{' and '.join(missing)} not found" if missing else None


def can_load() -> bool:
    """Whether wrk can be run on a core of its own; says on standard error what it lacks."""
    lacking = lacks("wrk", "taskset")
    if lacking is not None:
        sys.stderr.write(f"{lacking} (Debian: apt-get install wrk util-linux)\n")
    return lacking is None

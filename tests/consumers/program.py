"""A program of Python that runs by itself: a recipe, or a command."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

SECONDS = 60.0
"""After which a test gives up."""


@asynccontextmanager
async def running(*arguments: str | Path, stdout: Any, env: Mapping[str, str]) -> AsyncIterator[Process]:
    """The interpreter with these arguments, for the body's duration at most."""
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=stdout, stderr=PIPE, env=env)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def sentence(process: Process) -> str:
    """What it says at its end: one line."""
    _, errors = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 1
    assert len(errors.splitlines()) == 1, errors.decode()
    return errors.decode().strip()

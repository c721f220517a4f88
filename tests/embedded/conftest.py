"""Homes in a directory that another account can reach or cannot, and what starts `up` on them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded.running import Ups


@pytest.fixture
def up() -> Iterator[Ups]:
    """Start `up` on a home."""
    ups = Ups()
    yield ups
    ups.end()


@pytest.fixture
def shared_dir() -> Iterator[Path]:
    """A directory that every account can reach."""
    path = Path(tempfile.mkdtemp(prefix="tallystick-test-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def home(shared_dir: Path) -> Path:
    """A home that does not exist yet."""
    return shared_dir / "home"


@pytest.fixture
def secluded_dir(tmp_path: Path) -> Iterator[Path]:
    """A directory that no other account can reach; what a home in it keeps outside is removed."""
    tmp_path.chmod(0o700)
    yield tmp_path
    for link in tmp_path.rglob("postgres"):
        if link.is_symlink():
            shutil.rmtree(link.readlink().parent)

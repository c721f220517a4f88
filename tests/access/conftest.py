"""The command line on a database of the test's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.cli.main import tallystick
from tests.conftest import MASTER_KEY
from tests.servers import Database

Run = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that does not exist yet."""
    return tmp_path / "home"


@pytest.fixture
def environment(database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a command."""
    for name in [name for name in os.environ if name.startswith("TALLYSTICK_")]:
        monkeypatch.delenv(name)
    return {
        "TALLYSTICK_DATABASE_URL": database.service_url,
        "TALLYSTICK_HOME": str(home),
        "TALLYSTICK_MASTER_KEY": MASTER_KEY,
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """Run `tallystick` with arguments; returns click's result."""
    return lambda *arguments: CliRunner().invoke(tallystick, [str(each) for each in arguments], env=environment)

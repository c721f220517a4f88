"""Passwords that cost little, and the command line on a database of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from service.accounts.passwords import Passwords
from service.accounts.store import AccountStore, open_accounts
from service.cli.main import tallystick
from service.settings import Settings
from tests.access.conftest import environment, home
from tests.servers import Database

__all__ = ["environment", "home"]

Run = Callable[..., Result]

CHEAP: dict[str, Any] = {"password_memory_kib": 1_024, "password_passes": 1}
KEY = bytes(range(32))


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    """Passwords whose hashes cost little."""
    cheap = Passwords(KEY, Settings(**CHEAP))
    yield cheap
    cheap.close()


@pytest.fixture
def at_home(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a home of the test's own and cheap hashes."""
    return msgspec.structs.replace(settings, home=tmp_path / "home", **CHEAP)


@pytest.fixture
async def store(at_home: Settings, database: Database) -> AsyncIterator[AccountStore]:
    """The accounts of the test's database."""
    async with open_accounts(at_home, database.service_url) as opened:
        yield opened


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """Run `tallystick` with arguments and what is on its stdin; returns click's result."""
    environment |= {f"TALLYSTICK_{name.upper()}": str(value) for name, value in CHEAP.items()}

    def invoke(*arguments: object, stdin: str | bytes = "") -> Result:
        return CliRunner().invoke(tallystick, [str(each) for each in arguments], env=environment, input=stdin)

    return invoke

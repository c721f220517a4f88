from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from service.embedded import account
from service.embedded.account import Account, postgres_account
from service.embedded.errors import EmbeddedError


@pytest.fixture
def said() -> list[str]:
    """What the operator is told."""
    return []


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller is root, on a machine that has the user nobody and no useradd."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda _program, path: None)
    monkeypatch.setattr(account, "_lookup", {"nobody": Account(65534, 65534)}.get)


def test_a_user_lends_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: list[str]) -> None:
    """Whoever is not root runs PostgreSQL as itself."""
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    monkeypatch.setattr(os, "getegid", lambda: 5678)
    found = postgres_account(tmp_path / "postgres", said.append)
    assert (found, found.is_other, said) == (Account(1234, 5678), False, [])


def test_without_useradd_root_lends_nobody(as_root: None, tmp_path: Path, said: list[str]) -> None:
    """Where no user can be made, nobody is taken, and that is said."""
    assert postgres_account(tmp_path / "postgres", said.append) == Account(65534, 65534)
    assert said == [
        "PostgreSQL does not run as root, and there is no useradd to make the user tallystick",
        "PostgreSQL runs as the user nobody",
    ]


def test_without_any_user_it_is_told(
    as_root: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: list[str]
) -> None:
    """A machine without even nobody cannot run it as root."""
    monkeypatch.setattr(account, "_lookup", {}.get)
    with pytest.raises(EmbeddedError, match="neither a user tallystick nor nobody"):
        postgres_account(tmp_path / "postgres", said.append)


def test_an_existing_cluster_runs_as_its_owner(
    as_root: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: list[str]
) -> None:
    """A cluster that nobody made goes on as nobody's, though there is a better account by now."""
    status = os.stat_result((0o40700, 0, 0, 1, 4321, 8765, 0, 0, 0, 0))
    monkeypatch.setattr(Path, "stat", lambda _path: status)
    assert postgres_account(tmp_path, said.append) == Account(4321, 8765)


@pytest.mark.parametrize(
    ("uid", "gid", "mode", "reached"),
    [
        (0, 0, 0o700, True),
        (0, 0, 0o077, False),
        (1, 0, 0o710, True),
        (1, 0, 0o707, False),
        (1, 1, 0o701, True),
        (1, 1, 0o770, False),
    ],
)
def test_reach_follows_the_mode_bits(tmp_path: Path, uid: int, gid: int, mode: int, reached: bool) -> None:
    """The owner's, the group's or the others' bit decides, whichever is the account's, and only that one."""
    status = tmp_path.stat()
    candidate = Account(status.st_uid + uid, status.st_gid + gid)
    assert candidate._may(os.stat_result((0o40000 | mode, *status[1:])), 0o100) == reached

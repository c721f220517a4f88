from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from service.embedded.errors import EmbeddedError
from service.embedded.files import LOG_KEPT, LOG_LIMIT, LogFile, write_private
from service.embedded.home import Home, RunInfo, Secrets

RUN = RunInfo(pid=1, http_url="http://h:1", database_url="d", owner_database_url="o", nats_url="n", audit_nats_url=None)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_made_is_private(home: Path) -> None:
    """Every directory of a new home is 0700, every file 0600, whatever the umask."""
    before = os.umask(0)
    try:
        with Home(home).lock():
            Home(home).write_run(RUN)
    finally:
        os.umask(before)
    modes = {path.name: _mode(path) for path in (home, *home.rglob("*"))}
    directories, files = ("home", "run", "log", "nats"), ("lock", "secrets.json", "run.json")
    assert modes == dict.fromkeys(directories, 0o700) | dict.fromkeys(files, 0o600)


def test_an_existing_empty_directory_becomes_private(home: Path) -> None:
    """A home that somebody made beforehand, open to all, is closed."""
    home.mkdir(mode=0o755)
    with Home(home).lock():
        assert _mode(home) == 0o700


def test_what_postgresql_traverses_stays_open_to_it(home: Path) -> None:
    """A start does not shut out the PostgreSQL of a killed run: it is still ending, and removes its lock files."""
    with Home(home).lock():
        pass
    directories = (home, home / "run", home / "log", home / "nats")
    for directory in directories:
        directory.chmod(0o710)
    with Home(home).lock():
        assert [_mode(directory) for directory in directories] == [0o710, 0o710, 0o700, 0o700]


def test_secrets_are_made_once(home: Path) -> None:
    """A second run reads what the first generated; all of them differ, and none is shown."""
    with Home(home).lock() as first:
        pass
    with Home(home).lock() as second:
        assert second == first
    values = [getattr(first, name) for name in Secrets.__struct_fields__ if name != "home_id"]
    assert len(set(values)) == 5
    assert all(len(value) == 43 and value not in repr(first) for value in values)


def test_a_home_of_an_earlier_version_gets_what_it_lacks(home: Path) -> None:
    """A password that only this version needs is made once and kept; those that were there stay."""
    with Home(home).lock() as made:
        pass
    path = home / "secrets.json"
    earlier = {name: value for name, value in json.loads(path.read_text()).items() if name != "postgres_analyst"}
    path.write_text(json.dumps(earlier))
    with Home(home).lock() as first:
        pass
    with Home(home).lock() as second:
        assert second == first
    assert (made.home_id, made.nats_audit) == (first.home_id, first.nats_audit)
    assert first.postgres_analyst != made.postgres_analyst


def test_a_home_is_held_by_one(home: Path) -> None:
    """While one holds it, another is told by whom, and a CLI finds how to reach the one."""
    with Home(home).lock():
        Home(home).write_run(RUN)
        assert Home(home).running() == RUN
        with (
            pytest.raises(EmbeddedError, match=rf"another tallystick is running on this home \(pid {os.getpid()}\)"),
            Home(home).lock(),
        ):
            pass
    assert Home(home).running() is None


def test_a_file_is_no_home(home: Path) -> None:
    """A file in the home's place, or in its path, is named."""
    home.write_text("")
    with pytest.raises(EmbeddedError, match="is a file; the home must be a directory"), Home(home).lock():
        pass
    with pytest.raises(EmbeddedError, match="Not a directory"), Home(home / "deeper").lock():
        pass


def test_another_program_s_directory_is_no_home(home: Path) -> None:
    """A directory with other files in it is left as it is."""
    home.mkdir(mode=0o755)
    (home / "thesis.tex").write_text("")
    with pytest.raises(EmbeddedError, match="is not a Tallystick home"), Home(home).lock():
        pass
    assert _mode(home) == 0o755


def test_somebody_else_s_home_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started as another user (root, say), nothing is made that the owner could not use."""
    home.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: home.stat().st_uid + 1)
    with pytest.raises(EmbeddedError, match="belongs to user id"), Home(home).lock():
        pass
    assert list(home.iterdir()) == []


def test_a_home_that_cannot_be_written_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal of the operating system names the file."""

    def refuse(path: Path, content: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("service.embedded.home.write_private", refuse)
    with pytest.raises(EmbeddedError, match=r"secrets\.json: Permission denied"), Home(home).lock():
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"home_id": 1}', '{"other": "x"}', "\x00\x00"])
def test_damaged_secrets_are_told(home: Path, content: str) -> None:
    """secrets.json that is no longer what was written is named, and not replaced."""
    with Home(home).lock():
        pass
    (home / "secrets.json").write_text(content)
    with pytest.raises(EmbeddedError, match=r"secrets\.json is damaged"), Home(home).lock():
        pass
    assert (home / "secrets.json").read_text() == content


def test_lost_secrets_are_not_made_anew(home: Path) -> None:
    """Where there is a cluster, new passwords would lock it; so the loss is told."""
    with Home(home).lock():
        (home / "postgres").mkdir()
    (home / "secrets.json").unlink()
    with pytest.raises(EmbeddedError, match=r"secrets\.json is missing"), Home(home).lock():
        pass


def test_a_failed_write_leaves_the_old_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is replaced as a whole or not at all, and no piece is left beside it."""
    home.mkdir()
    write_private(home / "file", "old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_private(home / "file", "new")
    assert {path.name: path.read_text() for path in home.iterdir()} == {"file": "old"}


def test_a_log_stays_within_its_limit(home: Path) -> None:
    """An overgrown log is begun anew under the server that writes it; its end is kept beside it."""
    home.mkdir()
    log = LogFile(home / "server.log")
    descriptor = log.open("starts")
    os.write(descriptor, b"x" * LOG_LIMIT + b"the end\n")
    log.trim()
    os.write(descriptor, b"goes on\n")
    os.close(descriptor)
    assert log.since_start() == "goes on\n"
    kept = (home / "server.log.1").read_bytes()
    assert len(kept) == LOG_KEPT
    assert kept.endswith(b"the end\n")


def test_a_damaged_run_file_is_told(home: Path) -> None:
    """A CLI that cannot read run.json says so."""
    with Home(home).lock():
        (home / "run.json").write_text(json.dumps({"pid": "x"}))
        with pytest.raises(EmbeddedError, match=r"run\.json is damaged"):
            Home(home).running()

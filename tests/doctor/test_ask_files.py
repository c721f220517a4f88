from __future__ import annotations

from pathlib import Path

import pytest

from service.doctor.ask_files import ask_files
from service.settings import Settings

SECRETS = ("master.key", "secrets.json", "run.json", "nats.conf", "tls/key.pem", "secrets/worker")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home as `tallystick up` leaves it."""
    place = tmp_path / "home"
    for folder in (place, place / "tls", place / "secrets"):
        folder.mkdir(mode=0o700)
    for name in ("lock", *SECRETS):
        (place / name).touch(mode=0o600)
    return place


def test_a_home_of_its_owner_alone_is_well(home: Path) -> None:
    """With the modes that it is made with nothing is open, nor for the group that may pass through."""
    for mode in (0o700, 0o710):
        home.chmod(mode)
        found = ask_files(Settings(home=home), ())
        assert (found.home, found.master_key, found.open) == (None, None, ())


@pytest.mark.parametrize("mode", [0o755, 0o711, 0o740])
def test_a_home_that_others_can_enter_or_list(home: Path, mode: int) -> None:
    """Others may not even pass through, and the group not list."""
    home.chmod(mode)

    assert ask_files(Settings(home=home), ()).home == (home, mode)


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("mode", [0o640, 0o602])
def test_a_secret_that_others_can_read_or_change(home: Path, name: str, mode: int) -> None:
    """Each file with a secret is looked at."""
    (home / name).chmod(mode)
    found = ask_files(Settings(home=home), ())

    assert (found.master_key, *found.open) == (
        ((home / name, mode),) if name == "master.key" else (None, (home / name, mode))
    )


def test_files_that_settings_name(home: Path, tmp_path: Path) -> None:
    """Keys elsewhere are looked at in place of the home's; a master key in the environment has no file."""
    key, tls = tmp_path / "key", tmp_path / "tls.pem"
    for path in (key, tls, home / "master.key"):
        path.touch()
        path.chmod(0o644)

    named = ask_files(Settings(home=home, master_key_file=key, tls_key=tls), ())
    given = ask_files(Settings(home=home, master_key="c2VjcmV0"), ())

    assert (named.master_key, named.open) == ((key, 0o644), ((tls, 0o644),))
    assert given.master_key is None


def test_no_home_is_nothing_to_look_at(tmp_path: Path) -> None:
    """Where servers are named there may be none, and a folder that is no home is not judged."""
    tmp_path.chmod(0o755)

    assert ask_files(Settings(home=tmp_path), ("X",)).home is None
    assert ask_files(Settings(home=tmp_path / "missing"), ("X",)).differing == ("X",)

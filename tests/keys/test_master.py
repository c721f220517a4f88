import base64
import os
import stat
from pathlib import Path

import pytest

from service.keys.master import MasterKeyError, load_keys
from service.settings import Settings

KEY = base64.b64encode(bytes(range(32))).decode()


def written(path: Path, content: bytes, mode: int = 0o600) -> Path:
    """A file with this content and mode."""
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_the_setting_wins_over_the_file(tmp_path: Path) -> None:
    """The key is the setting, else the named file, else the home's, and each gives the same derived keys."""
    home = tmp_path / "home"
    home.mkdir()
    written(home / "master.key", KEY.encode() + b"\n")
    named = written(tmp_path / "named", base64.b64encode(bytes(32)))
    by_home = load_keys(Settings(home=home))
    assert load_keys(Settings(home=home, master_key=KEY, master_key_file=named)) == by_home
    assert load_keys(Settings(home=home, master_key_file=named)) != by_home


def test_each_use_has_a_key_of_its_own() -> None:
    """No two uses share a key, and none is the master key."""
    keys = load_keys(Settings(master_key=KEY))
    assert len({*keys, bytes(range(32))}) == len(keys) + 1
    assert {32} == {len(key) for key in keys}


def test_derivation_is_fixed() -> None:
    """Stored digests, wrapped keys and password hashes must open after every upgrade: the derivation is fixed."""
    keys = load_keys(Settings(master_key=KEY))
    starts = ["b18c073bb6f74670", "ece8682414dcb4b8", "d56f197e16f0c60e"]
    assert [key.hex()[:16] for key in (keys.digests, keys.wrapping, keys.passwords)] == starts


def test_create_makes_a_private_file_once(tmp_path: Path) -> None:
    """A new master key is 32 bytes in a file that only its owner reads; a second start takes the same."""
    umask = os.umask(0)
    try:
        first = load_keys(Settings(home=tmp_path), create=True)
    finally:
        os.umask(umask)
    path = tmp_path / "master.key"
    assert (stat.S_IMODE(path.stat().st_mode), len(base64.b64decode(path.read_text()))) == (0o600, 32)
    assert first == load_keys(Settings(home=tmp_path), create=True)


def test_two_homes_have_different_keys(tmp_path: Path) -> None:
    """A made key is random."""
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
    one, two = (load_keys(Settings(home=home), create=True) for home in homes)
    assert one != two


def test_a_missing_key_is_told_with_what_to_do(tmp_path: Path) -> None:
    """Without any key the message names the setting and the file."""
    with pytest.raises(MasterKeyError, match=r"TALLYSTICK_MASTER_KEY.*master\.key"):
        load_keys(Settings(home=tmp_path))


def test_a_named_file_is_never_made(tmp_path: Path) -> None:
    """A path that the operator named and mistyped is told, not filled with a new key."""
    with pytest.raises(MasterKeyError):
        load_keys(Settings(home=tmp_path, master_key_file=tmp_path / "typo"), create=True)
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Where no file can be made the message says where."""
    with pytest.raises(MasterKeyError, match="absent"):
        load_keys(Settings(home=tmp_path / "absent"), create=True)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_file_that_others_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A master key that others can read is no secret; the message says how to mend it."""
    path = written(tmp_path / "master.key", KEY.encode(), mode)
    with pytest.raises(MasterKeyError, match="chmod 600"):
        load_keys(Settings(master_key_file=path))


BAD = {
    "not base64": b"!" * 44,
    "bad padding": KEY.encode()[:-1],
    "not ASCII": "ключ".encode(),
    "not text": b"\xff\xfe" * 22,
    "empty": b"",
    "too short": base64.b64encode(bytes(31)),
    "too long": base64.b64encode(bytes(33)),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_a_bad_file_is_told_without_its_content(tmp_path: Path, content: bytes) -> None:
    """What cannot be a master key is refused, and the message shows the path, never what is in the file."""
    path = written(tmp_path / "master.key", content)
    with pytest.raises(MasterKeyError) as refused:
        load_keys(Settings(master_key_file=path))
    assert str(path) in str(refused.value)
    assert not content or content.decode("latin-1") not in str(refused.value)


@pytest.mark.parametrize("text", ["!" * 44, KEY[:-1], "ключ", base64.b64encode(bytes(31)).decode()])
def test_a_bad_setting_is_told_by_its_name(text: str) -> None:
    """What cannot be a master key is refused, and the message names the variable, never its value."""
    with pytest.raises(MasterKeyError, match="TALLYSTICK_MASTER_KEY") as refused:
        load_keys(Settings(master_key=text))
    assert text not in str(refused.value)

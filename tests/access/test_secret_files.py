from __future__ import annotations

import stat
from pathlib import Path

import pytest

from service.access.errors import SecretFileError
from service.access.secret_files import SecretFiles


def test_a_secret_file_is_private(tmp_path: Path) -> None:
    """The folder is 0700 and the file 0600, whatever the umask."""
    files = SecretFiles(tmp_path / "home")
    files.stage("worker", "tly_cs_1")
    files.settle("worker")
    path = tmp_path / "home" / "secrets" / "worker"
    assert files.path("worker") == path
    assert files.read("worker") == "tly_cs_1"
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path.parent, path)] == [0o700, 0o600]
    assert list(path.parent.iterdir()) == [path]


def test_a_staged_secret_does_not_replace_the_one_in_place(tmp_path: Path) -> None:
    """Until it is settled, readers see the secret before it."""
    files = SecretFiles(tmp_path)
    files.stage("worker", "first")
    assert files.read("worker") is None
    files.settle("worker")
    files.stage("worker", "second")
    assert files.read("worker") == "first"
    files.settle("worker")
    assert files.read("worker") == "second"


@pytest.mark.parametrize(("committed", "expected"), [("second", "second"), ("first", "first")])
def test_what_a_killed_process_staged_is_settled_if_it_was_committed(
    tmp_path: Path, committed: str, expected: str
) -> None:
    """Recovery keeps the secret that the journal knows, and leaves nothing staged."""
    files = SecretFiles(tmp_path)
    files.stage("worker", "first")
    files.settle("worker")
    files.stage("worker", "second")
    files.recover("worker", lambda secret: secret == committed)
    assert files.read("worker") == expected
    assert [each.name for each in (tmp_path / "secrets").iterdir()] == ["worker"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in the way gives an error that names the secret file, not the secret."""
    (tmp_path / "secrets").write_text("in the way")
    with pytest.raises(SecretFileError) as told:
        SecretFiles(tmp_path).stage("worker", "tly_cs_1")
    assert str(told.value) == f"cannot keep a secret in {tmp_path / 'secrets' / 'worker'}: File exists"

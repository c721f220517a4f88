from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from service.accounts.breached import BreachedUnreadable, is_breached

KNOWN = ("tulip-harbor-92-quilt", "пять больших пингвинов", "correct horse battery staple")


def sha1(text: str) -> str:
    """The hash of a password as the list has it."""
    return hashlib.sha1(text.encode()).hexdigest().upper()  # noqa: S324 what the list is made of


def write(path: Path, passwords: tuple[str, ...], form: str = "{}:3\r\n") -> Path:
    """A list of passwords among many others."""
    others = tuple(f"other {number}" for number in range(2_000))
    path.write_bytes("".join(form.format(each) for each in sorted(map(sha1, passwords + others))).encode())
    return path


@pytest.mark.parametrize("form", ["{}:3\r\n", "{}:12345678\n", "{}\n"])
def test_every_line_is_found(tmp_path: Path, form: str) -> None:
    """The first, the last and each between, with counts or without; what is not there is not found."""
    path = write(tmp_path / "list", KNOWN, form)
    found = [is_breached(path, each) for each in (*KNOWN, *(f"other {number}" for number in range(2_000)))]
    assert found == [True] * 2_003
    assert [is_breached(path, f"another {number}") for number in range(2_000)] == [False] * 2_000


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_short_list_is_a_list(tmp_path: Path, count: int) -> None:
    """Nothing, or next to nothing, and no line end at the end of the file."""
    path = tmp_path / "list"
    path.write_text("\n".join(sorted(map(sha1, KNOWN[:count]))))
    assert [place < count for place in range(3)] == [is_breached(path, each) for each in KNOWN]


def test_a_password_is_looked_up_in_its_normal_form(tmp_path: Path) -> None:
    """However its accents are typed, it is the same password; one that cannot be typed everywhere is in no list."""
    path = write(tmp_path / "list", ("caf\u00e9 caf\u00e9 caf\u00e9",))
    assert is_breached(path, "cafe\u0301 cafe\u0301 cafe\u0301")
    assert not is_breached(path, "\0")


@pytest.mark.parametrize("content", ["a list of words\n", "0" * 32 + ":1\n", "x" * 5_000])
def test_what_is_no_such_list_is_told(tmp_path: Path, content: str) -> None:
    """Another kind of list would pass every password: it is not taken for one that knows none."""
    path = tmp_path / "list"
    path.write_text(content)
    with pytest.raises(BreachedUnreadable, match="list cannot be used: its lines are not SHA-1 hashes"):
        is_breached(path, KNOWN[0])


def test_a_list_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The message names it and never the password."""
    with pytest.raises(BreachedUnreadable) as told:
        is_breached(tmp_path / "none", KNOWN[0])
    assert f"the list of breached passwords {tmp_path / 'none'} cannot be used: No such file or directory" == str(
        told.value
    )

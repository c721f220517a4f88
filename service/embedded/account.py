"""Which account PostgreSQL runs as. It refuses to run as root, so root lends it a system account."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from service.embedded.errors import EmbeddedError

NAME = "tallystick"
FALLBACK = "nobody"


@dataclass(frozen=True)
class Account:
    """A user and its primary group."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """Whether it is not the account that this process runs as."""
        return self.uid != os.geteuid()

    def own(self, path: Path) -> None:
        """Give it `path`. Raises OSError."""
        if self.is_other:
            os.chown(path, self.uid, self.gid)

    def can_reach(self, path: Path) -> bool:
        """Whether it can traverse every directory above `path` (by mode bits; symlinks followed)."""
        return all(self._may(parent.stat(), stat.S_IXUSR) for parent in path.resolve().parents)

    def can_run(self, program: Path) -> bool:
        """Whether it can reach, read and run `program`."""
        return self.can_reach(program) and self._may(program.stat(), stat.S_IXUSR | stat.S_IRUSR)

    def _may(self, status: os.stat_result, bits: int) -> bool:
        if status.st_uid == self.uid:
            wanted = bits
        elif status.st_gid == self.gid:
            wanted = bits >> 3
        else:
            wanted = bits >> 6
        return status.st_mode & wanted == wanted


def postgres_account(data: Path, say: Callable[[str], None]) -> Account:
    """The account for the cluster at `data`: its owner if it exists; else ourselves, or for root a system account.

    Raises EmbeddedError if root finds no account to lend.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    owner = _owner(data)
    if owner is not None:
        return owner
    return _lookup(NAME) or _create(say) or _fall_back(say)


def _owner(data: Path) -> Account | None:
    try:
        status = data.stat()
    except FileNotFoundError:
        return None
    return Account(status.st_uid, status.st_gid) if status.st_uid else None


def _lookup(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid) if entry.pw_uid else None


def _create(say: Callable[[str], None]) -> Account | None:
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is None:
        say(f"PostgreSQL does not run as root, and there is no useradd to make the user {NAME}")
        return None
    command = [program, "--system", "--no-create-home", "--user-group", "--shell", "/bin/false", NAME]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    made = _lookup(NAME)
    if made is None:
        say(f"useradd could not make the user {NAME}: {done.stderr.strip()}")
    else:
        say(f"made the system user {NAME}: PostgreSQL does not run as root")
    return made


def _fall_back(say: Callable[[str], None]) -> Account:
    account = _lookup(FALLBACK)
    if account is None:
        raise EmbeddedError(f"PostgreSQL does not run as root, and there is neither a user {NAME} nor {FALLBACK}")
    say(f"PostgreSQL runs as the user {FALLBACK}")
    return account

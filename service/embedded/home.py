"""The home folder: where the embedded servers keep their data, and where the CLI finds a running instance.

<home>/            0700 (0710 for the group of the PostgreSQL account, where root runs it)
  lock             held by flock while an instance runs; contains its pid
  secrets.json     generated passwords
  master.key       made by service.keys
  nats.conf        written at each start          nats.port   the port, kept from start to start
  run.json         RunInfo, while it runs
  run/             PostgreSQL's socket, NATS's pid file, metrics of the workers
  log/             output of the servers
  postgres/        the cluster, or a symlink to it     nats/   the JetStream store
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from service.embedded.errors import EmbeddedError
from service.embedded.files import make_private_dir, told, write_private

OURS = ("lock", "secrets.json", "master.key", "secrets")


class Secrets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is generated once for a home: its id (16 hex digits, not secret) and the passwords (43 characters each)."""

    home_id: str = msgspec.field(default_factory=lambda: secrets.token_hex(8))
    postgres_owner: str = msgspec.field(default_factory=secrets.token_urlsafe)
    postgres_service: str = msgspec.field(default_factory=secrets.token_urlsafe)
    postgres_analyst: str = msgspec.field(default_factory=secrets.token_urlsafe)
    nats_service: str = msgspec.field(default_factory=secrets.token_urlsafe)
    nats_audit: str = msgspec.field(default_factory=secrets.token_urlsafe)

    def __repr__(self) -> str:
        return f"Secrets(home_id={self.home_id!r}, …)"


class RunInfo(msgspec.Struct, frozen=True):
    """How to reach a running instance. The URLs hold passwords; `None` where `up` was not given one."""

    pid: int
    http_url: str
    database_url: str
    owner_database_url: str | None
    nats_url: str
    audit_nats_url: str | None
    analyst_database_url: str | None = None


class Home:
    """One home folder. Its methods raise EmbeddedError; their messages name the file."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.run_dir = self.path / "run"
        self.metrics_dir = self.run_dir / "metrics"
        self.log_dir = self.path / "log"
        self.nats_dir = self.path / "nats"
        self.postgres_link = self.path / "postgres"

    @contextmanager
    def lock(self) -> Iterator[Secrets]:
        """Make the folder if it is missing, hold it for this process alone, and give its secrets."""
        self._prepare()
        descriptor = self._take_lock()
        try:
            with _explained(self.path):
                make_private_dir(self.run_dir, traversed=True)
                make_private_dir(self.log_dir)
                make_private_dir(self.nats_dir)
            yield self._secrets()
        finally:
            os.close(descriptor)

    def write_run(self, info: RunInfo) -> None:
        """Tell the CLI how to reach this instance."""
        with _explained(self.path):
            write_private(self.path / "run.json", msgspec.json.encode(info).decode())

    def clear_run(self) -> None:
        """Take back what `write_run` told."""
        with _explained(self.path):
            (self.path / "run.json").unlink(missing_ok=True)

    def running(self) -> RunInfo | None:
        """How to reach the instance that runs on this home; None if none does (a killed one leaves its run.json)."""
        with _explained(self.path):
            try:
                info = msgspec.json.decode((self.path / "run.json").read_bytes(), type=RunInfo)
                lock = (self.path / "lock").open("rb")
            except FileNotFoundError:
                return None
            except msgspec.DecodeError as error:
                raise EmbeddedError(f"{self.path / 'run.json'} is damaged: {error}") from None
            with lock:
                return None if _flock(lock.fileno(), fcntl.LOCK_SH) else info

    def _prepare(self) -> None:
        with _explained(self.path):
            if self.path.exists() and not self.path.is_dir():
                raise EmbeddedError(f"{self.path} is a file; the home must be a directory")
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._refuse_foreign()
            make_private_dir(self.path, traversed=True)

    def _refuse_foreign(self) -> None:
        owner = self.path.stat().st_uid
        if owner != os.geteuid():
            raise EmbeddedError(f"{self.path} belongs to user id {owner}; run as that user, or choose another --home")
        names = {entry.name for entry in self.path.iterdir()}
        if names and not names.intersection(OURS):
            raise EmbeddedError(
                f"{self.path} has other files in it and is not a Tallystick home; choose another --home"
            )

    def _take_lock(self) -> int:
        with _explained(self.path):
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if not _flock(descriptor, fcntl.LOCK_EX):
                holder = os.read(descriptor, 32).decode(errors="replace").strip()
                os.close(descriptor)
                raise EmbeddedError(
                    f"another tallystick is running on this home (pid {holder or 'unknown'}): {self.path}"
                )
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            return descriptor

    def _secrets(self) -> Secrets:
        path = self.path / "secrets.json"
        with _explained(path):
            try:
                return self._kept_secrets(path)
            except msgspec.DecodeError as error:
                raise EmbeddedError(f"{path} is damaged: {error}; restore it from a backup of this home") from None
            except FileNotFoundError:
                return self._new_secrets(path)

    def _kept_secrets(self, path: Path) -> Secrets:
        """Those of the file; what a newer version needs besides is made and kept."""
        kept = path.read_bytes()
        completed = msgspec.json.decode(kept, type=Secrets)
        if msgspec.json.decode(kept).keys() != set(Secrets.__struct_fields__):
            write_private(path, msgspec.json.encode(completed).decode())
        return completed

    def _new_secrets(self, path: Path) -> Secrets:
        if os.path.lexists(self.postgres_link):
            raise EmbeddedError(
                f"{path} is missing, and it holds the passwords of {self.postgres_link}; restore it from a backup"
            )
        made = Secrets()
        write_private(path, msgspec.json.encode(made).decode())
        return made


def _flock(descriptor: int, kind: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        return True
    return False


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise told(path, error) from error

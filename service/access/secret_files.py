"""Secret files: generated client secrets kept under `<home>/secrets/`, for the clients that ask for it.

A secret is written beside its place before the event of it is committed, and moved there after. So a process that is
killed between the two loses nothing: the next one finds the secret, and knows by its digest whether it was committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from service.access.errors import SecretFileError
from service.embedded.files import make_private_dir, sync_dir, write_private

_UNCOMMITTED = ".uncommitted"


class SecretFiles:
    """The secret files of a home. Names are those that the rules allow: no separator, no leading dot.

    All methods raise SecretFileError.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder = home / "secrets"

    def path(self, name: str) -> Path:
        """Where a secret is kept."""
        return self._folder / name

    def stage(self, name: str, secret: str) -> None:
        """Write a secret that is about to be committed (0600)."""
        with _explained(self.path(name)):
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_private_dir(self._folder)
            write_private(self._staged(name), f"{secret}\n")

    def settle(self, name: str) -> None:
        """The staged secret is committed: put it in its place, over one that was there."""
        with _explained(self.path(name)):
            self._staged(name).replace(self.path(name))
            sync_dir(self._folder)

    def recover(self, name: str, committed: Callable[[str], bool]) -> None:
        """Finish what a killed process began: a staged secret is settled if it was `committed`, else dropped."""
        secret = self._read(self._staged(name))
        if secret is None:
            return
        if committed(secret):
            self.settle(name)
        else:
            with _explained(self.path(name)):
                self._staged(name).unlink()

    def read(self, name: str) -> str | None:
        """The secret, or None if there is no file."""
        return self._read(self.path(name))

    def _staged(self, name: str) -> Path:
        return self._folder / f".{name}{_UNCOMMITTED}"

    @staticmethod
    def _read(path: Path) -> str | None:
        with _explained(path):
            try:
                return path.read_text(encoding="utf-8", errors="replace").strip()
            except FileNotFoundError:
                return None


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SecretFileError(f"cannot keep a secret in {path}: {error.strerror or error}") from error

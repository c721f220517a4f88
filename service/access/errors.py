"""Why the access model was not changed, told to an operator.

    AccessError
    ├── AccessFileError     a file has mistakes: one line each, with file, line and field
    ├── AccessRuleError     a single command asks for what may not be
    ├── NameTaken           what is to be added exists
    ├── NameUnknown         what is to be shown or changed does not exist
    ├── SecretFileError     a secret file cannot be kept
    ├── ModelUnavailable    the journal or the master key cannot be had; nothing was changed
    └── Interrupted         it ended in the middle; `applied` tells what is done, and holds the secrets made until then

No message holds a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from service.access.plan import Applied

FieldPath = tuple[str | int, ...]

_SHOWN = 120


def visible(text: str) -> str:
    """Text from outside, made fit for one line of a terminal: shortened, control characters escaped."""
    return escaped(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def escaped(text: str) -> str:
    """Text from outside, whole, with its control characters escaped."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def quoted(text: str) -> str:
    """The same in quotation marks."""
    return f'"{visible(text)}"'


class Mistake(NamedTuple):
    """A mistake and the field it is in, such as `("clients", 0, "scopes", 1)`."""

    path: FieldPath
    message: str

    @property
    def field(self) -> str:
        """The path as an operator writes it: `clients[0].scopes[1]`."""
        parts = [f"[{part}]" if isinstance(part, int) else f".{visible(part)}" for part in self.path]
        return "".join(parts).removeprefix(".")

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.path else self.message

    def under(self, *parents: str | int) -> Mistake:
        """The same mistake seen from further up."""
        return Mistake((*parents, *self.path), self.message)


class AccessError(Exception):
    """Base of what keeps a command from changing or showing the access model."""


class AccessFileError(AccessError):
    """A file has mistakes. `lines` has one line for each, such as `access.yaml:12: clients[0].id: …`."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


class AccessRuleError(AccessError):
    """A single command asks for what may not be. The message has one line a mistake."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


class NameTaken(AccessError):
    """What is to be added exists."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {quoted(name)} exists already")


class NameUnknown(AccessError):
    """What is to be shown or changed does not exist."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"there is no {kind} {quoted(name)}")


class SecretFileError(AccessError):
    """A secret file cannot be written or read; the message names it."""


class ModelUnavailable(AccessError):
    """The journal or the master key cannot be had; nothing was changed."""


class Interrupted(AccessError):
    """It ended in the middle: `applied` tells what is known to be done, and holds the secrets of new clients."""

    def __init__(self, reason: str, applied: Applied) -> None:
        super().__init__(reason)
        self.applied = applied

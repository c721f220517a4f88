"""An access.yaml file: resources, roles and clients, and where in the file each of them stands.

Reading notes every mistake with its line. What can only be judged knowing what exists already is checked by
`service/access/check.py`; the fields are described in `examples/access.yaml`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec

from schema.events import AuthMethod, ClientSettings, SubjectType, TokenFormat
from service.access.durations import parse_duration
from service.access.errors import AccessFileError, FieldPath, Mistake
from service.access.grant_names import grant_named
from service.access.jwks import Jwk, read_jwks
from service.access.plan import Wanted
from service.access.reader import Read, Reader, TooLarge
from service.access.wording import unknown
from service.access.yaml_tree import Node, parse

T = TypeVar("T")


class ResourceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A resource of the file."""

    path: FieldPath
    uri: str
    scopes: dict[str, str] = {}


class RoleEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A role of the file."""

    path: FieldPath
    name: str
    scopes: tuple[str, ...] = ()


class ClientEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A client of the file. `secret_file` is where a generated secret is to be kept, if anywhere."""

    path: FieldPath
    settings: ClientSettings
    secret_file: str | None = None


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says. `mistakes` are those of its structure; `lines` has the line of each value."""

    source: Path
    resources: tuple[ResourceEntry, ...]
    roles: tuple[RoleEntry, ...]
    clients: tuple[ClientEntry, ...]
    mistakes: tuple[Mistake, ...]
    lines: dict[FieldPath, int]

    @property
    def wanted(self) -> Wanted:
        """The same without places; of two entries of one name, the first."""
        return Wanted(
            _first_of_each((entry.uri, entry.scopes) for entry in self.resources),
            _first_of_each((entry.name, entry.scopes) for entry in self.roles),
            _first_of_each((entry.settings.client_id, entry.settings) for entry in self.clients),
        )

    @property
    def secret_files(self) -> dict[str, str]:
        """The names of secret files by client id."""
        return {entry.settings.client_id: entry.secret_file for entry in self.clients if entry.secret_file}

    def line_at(self, path: FieldPath) -> int:
        """The line of a value, or of the closest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def told(self, mistakes: Iterable[Mistake]) -> AccessFileError:
        """Mistakes as an error, one line each with file, line and field, in the order of the file."""
        placed = sorted((self.line_at(mistake.path), str(mistake)) for mistake in mistakes)
        return AccessFileError([f"{self.source}:{line}: {mistake}" for line, mistake in placed])


def read_document(source: Path) -> Document:
    """Read a file. Mistakes of its structure are in the document.

    Raises AccessFileError where the file cannot be read as YAML at all.
    """
    root, reader = parse(source), Reader()
    try:
        sections = reader.fields(root, (), _document_fields(source.parent))
    except TooLarge:
        raise AccessFileError([f"{source}:1: too many values, aliases counted at each use"]) from None
    return Document(
        source=source,
        resources=_present(sections, "resources"),
        roles=_present(sections, "roles"),
        clients=_present(sections, "clients"),
        mistakes=tuple(reader.mistakes),
        lines=reader.lines,
    )


def _first_of_each(named: Iterable[tuple[str, T]]) -> dict[str, T]:
    found: dict[str, T] = {}
    for name, value in named:
        found.setdefault(name, value)
    return found


def _present(sections: Mapping[str, Any], name: str) -> tuple[Any, ...]:
    return tuple(entry for entry in sections.get(name, ()) if entry is not None)


def _document_fields(folder: Path) -> dict[str, Read]:
    client_fields = {**_CLIENT, "jwks_file": lambda reader, node, path: _jwks_file(reader, node, path, folder)}
    return {
        "resources": lambda reader, node, path: reader.items(node, path, _resource),
        "roles": lambda reader, node, path: reader.items(node, path, _role),
        "clients": lambda reader, node, path: reader.items(
            node, path, lambda reader, node, path: _client(reader, node, path, client_fields)
        ),
    }


def _resource(reader: Reader, node: Node, path: FieldPath) -> ResourceEntry | None:
    fields = reader.fields(node, path, {"uri": Reader.text, "scopes": Reader.texts_by_name}, "uri")
    return ResourceEntry(path=path, **fields) if fields.get("uri") else None


def _role(reader: Reader, node: Node, path: FieldPath) -> RoleEntry | None:
    fields = reader.fields(node, path, {"name": Reader.text, "scopes": Reader.texts}, "name")
    return RoleEntry(path=path, **fields) if fields.get("name") else None


def _client(reader: Reader, node: Node, path: FieldPath, known: Mapping[str, Read]) -> ClientEntry | None:
    fields = reader.fields(node, path, known, "id")
    client_id, secret_file = fields.pop("id", None), fields.pop("secret_file", None)
    if not client_id:
        return None
    if "jwks_file" in fields:
        if "jwks" in fields:
            reader.wrong((*path, "jwks_file"), "there are keys by jwks already")
        fields["jwks"] = fields.pop("jwks_file")
        reader.lines[*path, "jwks"] = reader.lines[*path, "jwks_file"]
    fields.setdefault("auth_method", "client_secret_basic")
    settings = ClientSettings(client_id=client_id, **fields)
    return ClientEntry(path=path, settings=settings, secret_file=secret_file)


def _auth_method(reader: Reader, node: Node, path: FieldPath) -> str:
    return _one_of(reader, node, path, get_args(AuthMethod))


def _token_format(reader: Reader, node: Node, path: FieldPath) -> str:
    return _one_of(reader, node, path, get_args(TokenFormat))


def _subject_type(reader: Reader, node: Node, path: FieldPath) -> str:
    return _one_of(reader, node, path, get_args(SubjectType))


def _grants(reader: Reader, node: Node, path: FieldPath) -> tuple[str, ...]:
    return tuple(map(grant_named, reader.texts(node, path)))


def _one_of(reader: Reader, node: Node, path: FieldPath, choices: tuple[str, ...]) -> str:
    text = reader.text(node, path)
    if text in choices:
        return text
    reader.wrong(path, unknown(text, f"none of {', '.join(choices)}", choices))
    return choices[0]


def _lifetime(reader: Reader, node: Node, path: FieldPath) -> int | None:
    try:
        return parse_duration(reader.scalar(node, path))
    except ValueError as error:
        reader.wrong(path, str(error))
        return None


def _jwks(reader: Reader, node: Node, path: FieldPath) -> tuple[Jwk, ...]:
    keys = reader.fields(node, path, {"keys": lambda reader, node, path: reader.items(node, path, Reader.jwk)}, "keys")
    return tuple(keys.get("keys", ()))


def _jwks_file(reader: Reader, node: Node, path: FieldPath, folder: Path) -> tuple[Jwk, ...]:
    name = reader.text(node, path)
    try:
        return read_jwks(folder / name)
    except AccessFileError as error:
        reader.wrong(path, str(error))
        return ()


_CLIENT: dict[str, Read] = {
    "id": Reader.text,
    "auth_method": _auth_method,
    "grants": _grants,
    "scopes": Reader.texts,
    "roles": Reader.texts,
    "resources": Reader.texts,
    "introspects": Reader.texts,
    "redirect_uris": Reader.texts,
    "token_format": _token_format,
    "access_token_lifetime": _lifetime,
    "jwks": _jwks,
    "client_name": Reader.text,
    "first_party": Reader.flag,
    "refresh_rotation": Reader.flag,
    "subject_type": _subject_type,
    "post_logout_redirect_uris": Reader.texts,
    "backchannel_logout_uri": Reader.text,
    "secret_file": Reader.text,
}

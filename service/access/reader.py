"""Reads typed values from a YAML tree, and notes every mistake with its line instead of stopping at the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from service.access.errors import FieldPath, Mistake, quoted
from service.access.wording import suggestion
from service.access.yaml_tree import MappingNode, Node, ScalarNode, SequenceNode, line_of

NODE_LIMIT = 200_000
"""How many values a file may have, each use of an alias counted."""

_TAG = "tag:yaml.org,2002:"
_WORDS = {"map": "fields", "seq": "a list", "str": "text", "null": "nothing", "bool": "true or false"}

T = TypeVar("T")
Read = Callable[["Reader", Node, FieldPath], Any]


class TooLarge(Exception):
    """The tree has more values than NODE_LIMIT, for instance by aliases of aliases."""


class Reader:
    """Its methods return what a node holds, or a neutral value after noting what is wrong with it.

    `mistakes` are in the order found; `lines` has the line of every value that was read, by path.
    """

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []
        self.lines: dict[FieldPath, int] = {}
        self._read = 0

    def wrong(self, path: FieldPath, message: str) -> None:
        """Note a mistake."""
        self.mistakes.append(Mistake(path, message))

    def fields(self, node: Node, path: FieldPath, known: Mapping[str, Read], *required: str) -> dict[str, Any]:
        """The values of a mapping's fields, each read by the function `known` gives for it."""
        values: dict[str, Any] = {}
        if not self._is(node, MappingNode, path, "fields"):
            return values
        for name, value in self._items(node, path):
            if name in known:
                values[name] = known[name](self, value, (*path, name))
            else:
                self._seen(value, (*path, name))
                self.wrong((*path, name), f"unknown field{suggestion(name, known)}")
        for name in required:
            if name not in values:
                self.wrong(path, f"{name} is missing")
        return values

    def texts_by_name(self, node: Node, path: FieldPath) -> dict[str, str]:
        """A mapping of names to text."""
        if not self._is(node, MappingNode, path, "names, each with its text"):
            return {}
        return {name: self.text(value, (*path, name)) for name, value in self._items(node, path)}

    def items(self, node: Node, path: FieldPath, read: Callable[[Reader, Node, FieldPath], T]) -> tuple[T, ...]:
        """A list, each item read by `read`."""
        if not self._is(node, SequenceNode, path, "a list"):
            return ()
        return tuple(read(self, item, (*path, index)) for index, item in enumerate(node.value))

    def texts(self, node: Node, path: FieldPath) -> tuple[str, ...]:
        """A list of texts."""
        return self.items(node, path, Reader.text)

    def text(self, node: Node, path: FieldPath) -> str:
        """Text."""
        if not self._is(node, ScalarNode, path, "text"):
            return ""
        if node.tag != f"{_TAG}str":
            self.wrong(path, f"expected text, not {_kind(node)}{_in_quotes(node)}")
        return str(node.value)

    def scalar(self, node: Node, path: FieldPath) -> str:
        """Text or a number, as it is written."""
        if not self._is(node, ScalarNode, path, "text or a number"):
            return ""
        if node.tag not in {f"{_TAG}str", f"{_TAG}int"}:
            self.wrong(path, f"expected text or a number, not {_kind(node)}")
        return str(node.value)

    def flag(self, node: Node, path: FieldPath) -> bool:
        """`true` or `false`, as YAML 1.2 writes them."""
        if not self._is(node, ScalarNode, path, "true or false"):
            return False
        if node.tag != f"{_TAG}bool":
            self.wrong(path, f"expected true or false, not {_kind(node)}")
        return str(node.value).lower() == "true"

    def jwk(self, node: Node, path: FieldPath) -> dict[str, Any]:
        """A JSON Web Key: members that are text or, for those of no interest, lists of text (RFC 7517 section 4)."""
        if not self._is(node, MappingNode, path, "the members of a key"):
            return {}
        return {
            name: (self.texts if isinstance(value, SequenceNode) else self.text)(value, (*path, name))
            for name, value in self._items(node, path)
        }

    def _items(self, node: Node, path: FieldPath) -> Iterator[tuple[str, Node]]:
        """The keys, each once, and their values."""
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.wrong(path, f"expected a field name, not {_kind(key)}")
                continue
            name, line = str(key.value), line_of(key)
            self.lines[*path, name] = line
            if name in lines:
                self.wrong((*path, name), f"there twice, first in line {lines[name]}")
                continue
            lines[name] = line
            yield name, value

    def _is(self, node: Node, kind: type[Node], path: FieldPath, expected: str) -> bool:
        self._seen(node, path)
        if isinstance(node, kind):
            return True
        self.wrong(path, f"expected {expected}, not {_kind(node)}")
        return False

    def _seen(self, node: Node, path: FieldPath) -> None:
        self._read += 1
        if self._read > NODE_LIMIT:
            raise TooLarge
        self.lines.setdefault(path, line_of(node))


def _kind(node: Node) -> str:
    tag = str(node.tag).removeprefix(_TAG)
    if tag in {"int", "float"}:
        return f"the number {quoted(node.value)[1:-1]}"
    if tag == "str" and isinstance(node, ScalarNode):
        return f"the text {quoted(node.value)}"
    return _WORDS.get(tag, f"a value of the YAML type {quoted(tag)}")


def _in_quotes(node: Node) -> str:
    return "" if node.tag == f"{_TAG}null" else ": put it in quotes"

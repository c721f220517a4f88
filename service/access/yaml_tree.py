"""YAML text as a tree in which every key and value knows its line.

The tree is ruamel's own, not yet converted: whoever reads it decides what each value must be, and bounds how far
aliases are followed. Tags are never constructed, so a file cannot make objects.
"""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from service.access.errors import AccessFileError

SIZE_LIMIT = 1024 * 1024

__all__ = ["MappingNode", "Node", "ScalarNode", "SequenceNode", "line_of", "parse", "read_text"]


def line_of(node: Node) -> int:
    """The line that a key or value begins in, from 1."""
    return int(node.start_mark.line) + 1


def read_text(path: Path, size_limit: int = SIZE_LIMIT) -> str:
    """The text of a file, at most `size_limit` bytes of UTF-8.

    Raises AccessFileError, one line, such as `access.yaml: no such file`.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(size_limit + 1)
    except OSError as error:
        raise AccessFileError([f"{path}: {(error.strerror or str(error)).lower()}"]) from None
    if len(raw) > size_limit:
        raise AccessFileError([f"{path}: larger than {size_limit // 1024} KiB"])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise AccessFileError([f"{path}:{line}: not UTF-8 text (byte 0x{raw[error.start]:02x})"]) from None


def parse(path: Path) -> Node:
    """The tree of a file's one document. Raises AccessFileError."""
    text = read_text(path)
    try:
        root: Node | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(filter(None, [error.context, error.problem]))
        raise AccessFileError([f"{path}:{mark.line + 1 if mark else 1}: not valid YAML: {_hinted(problem)}"]) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise AccessFileError([f"{path}:{line}: not valid YAML: character U+{ord(text[error.position]):04X}"]) from None
    except YAMLError as error:
        raise AccessFileError([f"{path}:1: not valid YAML: {' '.join(str(error).split())}"]) from None
    except RecursionError:
        raise AccessFileError([f"{path}:1: nested too deeply"]) from None
    if root is None:
        raise AccessFileError([f"{path}:1: the file is empty; it needs resources, roles or clients"])
    return root


def _hinted(problem: str) -> str:
    return f"{problem} (indent with spaces, not tabs)" if "\\t" in problem else problem

"""The reasons of rejections: as the code has them, and as docs/rejections.md has them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from service import errors
from service.reports.endpoint import DROPPED
from service.reports.report import REASONS

ROOT = Path(__file__).parents[2]
_ACCOUNT = frozenset({"account", "account_sessions", "account_apps", "account_passkeys", "account_totp"})
_PAGES = _ACCOUNT | {
    "account_recovery_codes",
    "account_password",
    "authorize",
    "consent",
    "sign_in",
    "sign_in_second_factor",
    "sign_in_passkey",
    "device",
    "device_decision",
    "logout",
}
_OTHERS = frozenset(
    {"token", "introspect", "revoke", "device_authorization", "userinfo", "audit", "usage", "report", "verify"}
)
_GATHERED = {
    "pages": _PAGES,
    "all": _PAGES
    | {"token", "introspect", "revoke", "device_authorization", "userinfo", "audit", "usage", "report", "verify"},
}


class Documented(NamedTuple):
    """One row of the table."""

    endpoints: frozenset[str]
    errors: frozenset[str]


def documented_reasons() -> dict[str, Documented]:
    """The table of docs/rejections.md."""
    rows: dict[str, Documented] = {}
    for line in (ROOT / "docs/rejections.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[0].startswith("`"):
            endpoints = _GATHERED.get(cells[1]) or frozenset(cells[1].split(", "))
            rows[cells[0].strip("`")] = Documented(endpoints, frozenset(cells[2].replace("`", "").split(", ")))
    return rows


def coded_reasons() -> dict[str, frozenset[str]]:
    """Each reason that the service gives to a rejection, with its public errors."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "service").rglob("*.py"):
        tree = ast.parse(path.read_text())
        for call, error in _rejections(tree):
            for reason in _texts(tree, call.args[0]):
                found.setdefault(reason, set()).add(error)
    found["method_not_allowed"] = {errors.MethodNotAllowed.error}  # fixed by its class
    for reason, error in {**REASONS, DROPPED[0]: DROPPED[1]}.items():  # what APIs report
        found.setdefault(reason, set()).add(error)
    return {reason: frozenset(public) for reason, public in found.items()}


def _rejections(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            kind = getattr(errors, node.func.id, None)
            if isinstance(kind, type) and issubclass(kind, errors.Rejection):
                yield node, kind.error


def _texts(tree: ast.Module, value: ast.expr) -> Iterator[str]:
    """The texts that an expression may be: a literal, either side of a condition, or a name that stands for one."""
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp():
            yield from _texts(tree, value.body)
            yield from _texts(tree, value.orelse)
        case ast.Name():
            for source in _sources(tree, value.id):
                yield from _texts(tree, source)
        case _:
            raise AssertionError(f"a reason must be a literal: {ast.unparse(value)}, line {value.lineno}")


def _sources(tree: ast.Module, name: str) -> Iterator[ast.expr]:
    """What a name is assigned, and what is passed for it where it is a parameter."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id == name for each in node.targets
        ):
            yield node.value
        elif isinstance(node, ast.FunctionDef):
            parameters = [each.arg for each in node.args.args if each.arg != "self"]
            if name in parameters:
                yield from _arguments(tree, node.name, parameters.index(name))


def _arguments(tree: ast.Module, function: str, place: int) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and function in {getattr(node.func, "id", ""), getattr(node.func, "attr", "")}:
            yield node.args[place]

"""Paths that can be read in two ways: whatever an API makes of one, it is what the gateway asked about.

`make gateways` runs these.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote

import pytest

from tests.gateways.client import bearer
from tests.gateways.conftest import Behind
from tests.gateways.targets import AMBIGUOUS, HARMLESS

pytestmark = pytest.mark.gateways

_READINGS: tuple[Callable[[str], str], ...] = (
    unquote,
    lambda path: path.replace("\\", "/"),
    lambda path: re.sub(";[^/]*", "", path),  # parameters of a segment, RFC 3986 section 3.3
    lambda path: re.sub("/+", "/", path),
    posixpath.normpath,
)
"""What an API may do with a path, or not: each in this order."""

_OTHERS = (
    "/;/admin/x",
    "/%61dmin/x",
    "http://localhost/admin/../users/x",
    "http://localhost/admin/../health",
    "http://localhost//admin/x",
)
_CLOSED = {"read:users": {"admin"}, "write:users": {"users", "reports"}, None: {"users", "reports", "admin"}}
"""The scope of a token, and the paths that need another; None is no token."""


def first_segments(target: str) -> Iterator[str]:
    """Where a target of a request leads by every way of reading it, the raw one too; in lower case."""
    path = re.sub(r"^\w+://[^/?]*", "", target).partition("?")[0]
    for chosen in itertools.product((False, True), repeat=len(_READINGS)):
        read = path
        for reading in itertools.compress(_READINGS, chosen):
            read = reading(read)
        yield read.removeprefix("/").partition("/")[0].lower()


@pytest.mark.parametrize("target", [*AMBIGUOUS, *_OTHERS])
def test_path_that_can_be_read_in_two_ways_leads_nowhere_else(behind: Behind, target: str) -> None:
    """Whatever reaches the API is no path of what needs another scope: neither as it arrives, nor once it is decoded
    and its dots are gone.
    """
    for scope, closed in _CLOSED.items():
        headers = [bearer(behind.token(scope))] if scope else []
        before = len(behind.api.asked)
        answer = behind.ask(target, *headers)
        for asked in behind.api.asked[before:]:
            assert not closed & set(first_segments(asked.target)), (scope, answer.status, asked.target)
        assert answer.status < 500


@pytest.mark.parametrize("path", HARMLESS)
def test_path_that_can_be_read_in_one_way_arrives_as_it_is(behind: Behind, path: str) -> None:
    """With its query, in which dots and slashes are nobody's concern."""
    assert behind.served(f"{path}?at=/../x//y", bearer(behind.token())).target == f"{path}?at=/../x//y"

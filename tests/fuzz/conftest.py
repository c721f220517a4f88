"""One product for all fuzzers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.target import Target, running_target


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """A running product, fresh for each kind of fuzzing."""
    with running_target() as running:
        yield running

"""Fixtures of these tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="session")
def reasons() -> frozenset[str]:
    """Every reason of `docs/rejections.md`."""
    return frozenset(re.findall(r"^\| `(\w+)` \|", (DOCS / "rejections.md").read_text(), re.MULTILINE))

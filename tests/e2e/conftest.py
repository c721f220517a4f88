"""One running product for the tests of this folder that change nothing of each other's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.product import Product, running_product


@pytest.fixture(scope="package")
def product() -> Iterator[Product]:
    """`tallystick up` with four workers."""
    with running_product(workers=4) as running:
        yield running

"""Parts of a product held still while something else of it is measured."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.product import Product


@contextmanager
def held(product: Product, *roles: str) -> Iterator[None]:
    """Stop the processes of these roles (SIGSTOP); afterwards they go on where they were."""
    processes = [process for role in roles for process in product.processes(role)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)

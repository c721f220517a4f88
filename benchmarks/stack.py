"""The processes of a running product: the whole stack, with its Postgres and its NATS."""

from __future__ import annotations

import subprocess

import psutil

from tests.product import Product


def family(product: Product) -> list[psutil.Process]:
    """The supervisor and all that it started."""
    supervisor = psutil.Process(product.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def pin(product: Product, core: str) -> None:
    """Pin every process of the stack to a core, with all its threads. Raises CalledProcessError."""
    for process in family(product):
        subprocess.run(["taskset", "-acp", core, str(process.pid)], check=True, capture_output=True)

"""The processes of a running product: the whole stack, with its Postgres and its NATS."""

from __future__ import annotations

import subprocess
from collections import defaultdict

import psutil

from tests.product import Product

_ROLES = {
    "nats-server": "nats",
    "postgres": "postgres",
    " relay": "relay",
    " project": "project",
    " consume": "consume",
    " serve ": "service",
}


def family(product: Product) -> list[psutil.Process]:
    """The supervisor and all that it started."""
    supervisor = psutil.Process(product.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def pin(product: Product, core: str) -> None:
    """Pin every process of the stack to a core, with all its threads. Raises CalledProcessError."""
    for process in family(product):
        subprocess.run(["taskset", "-acp", core, str(process.pid)], check=True, capture_output=True)


def cpu_seconds(product: Product) -> dict[str, float]:
    """CPU seconds spent so far, by role."""
    spent: dict[str, float] = defaultdict(float)
    for process in family(product):
        try:
            times, command = process.cpu_times(), " ".join(process.cmdline())
        except psutil.NoSuchProcess:
            continue
        role = next((role for mark, role in _ROLES.items() if mark in command), "supervisor")
        spent[role] += times.user + times.system
    return dict(spent)

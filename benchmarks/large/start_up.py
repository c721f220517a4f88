"""How long a start takes: of the whole by `tallystick up`, and of one worker alone while the others run on."""

from __future__ import annotations

import os
import signal
import statistics
import time
from typing import NamedTuple

import httpx

from tests.product import Product

PATIENCE = 240.0
_PAUSE = 0.02


class StartUp(NamedTuple):
    """Seconds until `/health/ready` answers 200, medians and longest of some starts; CPU seconds of a worker's own."""

    whole: float
    whole_most: float
    worker: float
    worker_most: float
    worker_cpu: float


def measure_start_up(product: Product, rounds: int) -> StartUp:
    """Start a product that runs anew, then its worker, some times each."""
    whole = [_of_whole(product) for _ in range(rounds)]
    worker, cpu = zip(*(_of_worker(product) for _ in range(rounds)), strict=True)
    return StartUp(statistics.median(whole), max(whole), statistics.median(worker), max(worker), statistics.median(cpu))


def _of_whole(product: Product) -> float:
    assert product.stop() == 0
    began = time.monotonic()
    product.start()
    _until_ready(product)
    return time.monotonic() - began


def _of_worker(product: Product) -> tuple[float, float]:
    """From the end of the worker, which the supervisor notices, to its successor's first good answer."""
    (worker,) = product.processes("serve")
    began = time.monotonic()
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait(PATIENCE)
    _until_ready(product)
    seconds = time.monotonic() - began
    (successor,) = product.processes("serve")
    assert successor.pid != worker.pid
    spent = successor.cpu_times()
    return seconds, spent.user + spent.system


def _until_ready(product: Product) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            if httpx.get(f"{product.url}/health/ready", timeout=PATIENCE).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(_PAUSE)
    raise AssertionError("it did not become ready")

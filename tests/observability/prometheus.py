"""A real Prometheus beside a test, with the configuration of `deploy/prometheus`, and its HTTP API."""

from __future__ import annotations

import contextlib
import math
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from tests.observability.files import PROMETHEUS
from tests.ports import free_port

_MISSING = "{} was not found: install Prometheus (Debian, Ubuntu: apt-get install prometheus)"
_START_SECONDS = 60.0
_OF_COMPOSE, _INTERVAL = "service:8080", "15s"
_SUBSTITUTES = {"$__rate_interval": "15s", "$__range": "60s", "$instance": ".+"}


class Series(NamedTuple):
    """A series of an answer: its labels, and its values by time, in seconds; NaN is left out."""

    labels: dict[str, str]
    values: list[tuple[float, float]]


def find_program(name: str) -> str:
    """The path of `prometheus` or `promtool`. Fails the test run where there is none."""
    found = shutil.which(name)
    assert found is not None, _MISSING.format(name)
    return found


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What promtool says."""
    return subprocess.run([find_program("promtool"), *arguments], capture_output=True, text=True, check=False)


class Prometheus:
    """The API of one that runs."""

    def __init__(self, url: str) -> None:
        self.url = url

    def asked(self, path: str, **parameters: str) -> Any:
        """The data of an answer that must be a success; Grafana's variables are replaced in `query`."""
        query = parameters.get("query", "")
        for variable, value in _SUBSTITUTES.items():
            query = query.replace(variable, value)
        sent = {**parameters, "query": query} if query else parameters
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=sent, timeout=30)
        assert answer.status_code == 200, (query, answer.text)
        body: dict[str, Any] = answer.json()
        assert body["status"] == "success", (query, body)
        return body["data"]

    def now(self, query: str) -> list[Series]:
        """What a query says now."""
        found = self.asked("query", query=query)
        assert found["resultType"] == "vector", query
        return _read(found["result"], "value")

    def lately(self, query: str, seconds: int) -> list[Series]:
        """What a query said in the last seconds, one by one."""
        until = time.time()
        found = self.asked("query_range", query=query, start=f"{until - seconds:.3f}", end=f"{until:.3f}", step="1")
        return _read(found["result"], "values")

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {each["labels"]["alertname"] for each in self.asked("alerts")["alerts"] if each["state"] == "firing"}


@contextlib.contextmanager
def watching(folder: Path, target: str) -> Iterator[Prometheus]:
    """A Prometheus that scrapes a node every second by our own configuration; address and interval alone are others."""
    written = (PROMETHEUS / "prometheus.yml").read_text()
    assert written.count(_OF_COMPOSE) == 1
    address = urlsplit(target).netloc
    config = folder / "prometheus.yml"
    config.write_text(written.replace(_OF_COMPOSE, address).replace(_INTERVAL, "1s"))
    shutil.copy(PROMETHEUS / "alerts.yml", folder)
    port = free_port()
    arguments = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [find_program("prometheus"), *arguments, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        )
    running = Prometheus(f"http://127.0.0.1:{port}")
    try:
        _wait_until_ready(running, process, folder / "prometheus.log")
        yield running
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(running: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{running.url}/-/ready").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"Prometheus did not become ready:\n{log.read_text()[-3000:]}")


def _read(result: list[dict[str, Any]], key: str) -> list[Series]:
    read = []
    for each in result:
        values = [each[key]] if key == "value" else each[key]
        numbers = [(float(at), float(text)) for at, text in values]
        read.append(Series(each["metric"], [(at, number) for at, number in numbers if not math.isnan(number)]))
    return [series for series in read if series.values]

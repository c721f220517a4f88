"""Load by wrk: one case for some seconds, and what came of it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from benchmarks.latency import percentile, uncorrected

LOAD_CORE = "1"
_SCRIPT = Path(__file__).with_suffix(".lua")
_FOREVER = 300
"""Seconds; a case that ends by itself is not cut off before."""
_TIMEOUT = 20
_SETTLE_MS, _SPREAD_MS = 300, 100
"""A connection is open for so long before its first request, and for up to so much longer: Node.js (libuv) accepts one
connection between two rounds of answering others, so that the last would wait for a second.
"""


class Case(NamedTuple):
    """What is asked: `body` is one form, or a file of one form a line, taken in turn; `good` is the status expected.

    Where it is `once`, no form is sent twice, and the run ends with the last. Where it is `rotating`, that is so too,
    and the refresh token of each answer makes one more. Where it is `bearer`, the lines are `Authorization` headers of
    requests without a body. Where it is `inactive`, the good answer is one of a token that is not active.

    A code flow has the path of the token endpoint as its `exchange`: each line is the path of the authorization
    request, cookies and PKCE verifier, with a tab between; `redirect_uri` is that of the request.
    """

    name: str
    url: str
    login: tuple[str, str]
    body: str | Path
    good: int = 200
    rotating: bool = False
    bearer: bool = False
    once: bool = False
    inactive: bool = False
    exchange: str = ""
    redirect_uri: str = ""


class Mixed(NamedTuple):
    """Cases of one server asked in one run, each as often as its weight says."""

    name: str
    parts: tuple[tuple[int, Case], ...]


class Measured(NamedTuple):
    """What came of it: answers a second (of code flows: flows) from the first request to the last answer, and times
    from a request to its answer. `bad` counts answers that were not the expected ones, and connections that broke.
    """

    case: str
    rate: float
    p50_ms: float
    p99_ms: float
    bad: int
    mean_ms: float = 0.0
    answers: int = 0


def measure(
    case: Case | Mixed,
    seconds: int,
    connections: int,
    core: str,
    *,
    delay_ms: float = 0.0,
    keep: Path | None = None,
) -> Measured:
    """Run wrk on one core, with one thread; each connection waits `delay_ms` before a request, on average, and the
    access tokens that are given are kept in the file `keep`, one a line. Raises CalledProcessError, or
    RuntimeError where nothing was answered at all.
    """
    with tempfile.TemporaryDirectory() as folder:
        parts = case.parts if isinstance(case, Mixed) else ((1, case),)
        streams = [_stream(part, weight, Path(folder) / str(number)) for number, (weight, part) in enumerate(parts)]
        told: dict[str, Any] = {
            "streams": streams,
            "weights": sum(weight for weight, _ in parts),
            "counted": "200" if parts[0][1].exchange else "",
            "connections": connections,
            "settle": _SETTLE_MS,
            "spread": _SPREAD_MS,
            "delay": delay_ms,
        }
        told |= {"keep": str(keep)} if keep else {}
        file = Path(folder) / "case.lua"
        file.write_text(f"return {_lua(told)}\n")
        options = ["-t1", f"-c{connections}", f"-d{seconds}", "--timeout", str(_TIMEOUT), "-s", str(_SCRIPT)]
        command = ["taskset", "-c", core, "wrk", *options, parts[0][1].url, "--", str(file)]
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
    return _measured(case.name, ran.stdout, connections, ran.stderr)


def use_up(case: Case, core: str, connections: int = 32) -> None:
    """Ask each of what may be asked once. Raises AssertionError where an answer was not good."""
    assert isinstance(case.body, Path)
    # No connection is opened for nothing: a server of one thread waits for its first request.
    most = min(connections, len(case.body.read_text().splitlines()))
    measured = measure(case, _FOREVER, most, core)
    assert measured.bad == 0, measured


def gather(case: Case, number: int, connections: int, core: str) -> list[str]:
    """Ask so many times; returns the access tokens of the answers. Raises AssertionError where one was not good."""
    assert isinstance(case.body, str)
    with tempfile.TemporaryDirectory() as folder:
        forms, keep = Path(folder) / "forms", Path(folder) / "tokens"
        forms.write_text(f"{case.body}\n" * number)
        measured = measure(case._replace(body=forms, once=True), _FOREVER, min(connections, number), core, keep=keep)
        tokens = keep.read_text().split()
    assert measured.bad == 0, measured
    assert len(tokens) == number, measured
    return tokens


def _stream(case: Case, weight: int, file: Path) -> dict[str, Any]:
    """What the script knows of a case; a single form is put into that file."""
    if isinstance(case.body, str):
        file.write_text(f"{case.body}\n")
    parts = urlsplit(case.url)
    return {
        "weight": weight,
        "path": (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        "authorization": _basic(case.login) if any(case.login) else "",
        "file": str(file if isinstance(case.body, str) else case.body),
        "good": f"{case.good} inactive" if case.inactive else str(case.good),
        "rotating": case.rotating,
        "once": case.once or case.rotating,
        "bearer": case.bearer,
        "exchange": case.exchange,
        "redirect_uri": quote(case.redirect_uri, safe=""),
    }


def _basic(login: tuple[str, str]) -> str:
    return "Basic " + b64encode(":".join(login).encode()).decode()


def _lua(value: object) -> str:
    """As Lua writes it: strings here are ASCII, which JSON and Lua quote alike."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_lua(each)}" for name, each in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "{" + ", ".join(_lua(each) for each in value) + "}"
    return json.dumps(value)


def _measured(name: str, printed: str, connections: int, errors: str) -> Measured:
    lines = [line.split() for line in printed.splitlines()]
    (result,) = [line[1:] for line in lines if line[:1] == ["RESULT"]] or [[]]
    if not result or result[3] == "0":
        raise RuntimeError(f"{name}: wrk had no answer: {printed}{errors}")
    answers, bad, seconds, requests, runtime, unanswered = (float(number) for number in result)
    counts = {int(line[1]): int(line[2]) for line in lines if line[:1] == ["LATENCY"]}
    times = uncorrected(counts, int(requests), int(runtime), connections)
    mean = sum(micros * count for micros, count in times.items()) / sum(times.values()) / 1e3
    p50, p99 = (percentile(times, share) / 1e3 for share in (50, 99))
    bad += max(unanswered - connections, 0)  # connections were closed instead; wrk 4.1 says so itself
    return Measured(name, answers / seconds, p50, p99, int(bad), mean, int(answers))

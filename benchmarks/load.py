"""Load by wrk: one case for some seconds, and what came of it."""

from __future__ import annotations

import re
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.headers["Authorization"] = "Basic {credentials}"
local bodies = {{}}
for line in io.lines("{bodies}") do bodies[#bodies + 1] = line end
local n, bad = 0, 0
request = function()
  n = n + 1
  return wrk.format(nil, nil, nil, bodies[n % #bodies + 1])
end
response = function(status, headers, body)
  if status ~= {good} or string.find(body, '"active":false', 1, true) then bad = bad + 1; wrk.thread:set("bad", bad) end
end
setup = function(thread) threads = {{thread}}; thread:set("bad", 0) end
done = function(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), threads[1]:get("bad")))
end
"""
_RESULT = re.compile(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)")


class Case(NamedTuple):
    """What is asked: `body` is one form, or a file of one form a line, taken in turn; `good` is the status expected."""

    name: str
    url: str
    login: tuple[str, str]
    body: str | Path
    good: int = 200


class Measured(NamedTuple):
    """What came of it; `bad` counts answers that were not the expected ones, `cpu` is cores by role."""

    case: str
    rate: float
    p50_ms: float
    p99_ms: float
    bad: int
    cpu: Mapping[str, float] = MappingProxyType({})


def measure(case: Case, seconds: int, connections: int, core: str) -> Measured:
    """Run wrk on one core, with one thread. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        bodies = Path(folder) / "bodies"
        bodies.write_text(case.body.read_text() if isinstance(case.body, Path) else case.body + "\n")
        credentials = b64encode(":".join(case.login).encode()).decode()
        script = Path(folder) / "case.lua"
        script.write_text(_SCRIPT.format(credentials=credentials, bodies=bodies, good=case.good))
        ran = subprocess.run(
            ["taskset", "-c", core, "wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-s", str(script), case.url],
            check=True,
            capture_output=True,
            text=True,
        )
    found = _RESULT.search(ran.stdout)
    assert found is not None
    requests, micros, p50, p99, bad = (int(number) for number in found.groups())
    return Measured(case.name, requests / micros * 1e6, p50 / 1e3, p99 / 1e3, bad)

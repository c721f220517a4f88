"""Load by wrk: one case for some seconds, and what came of it."""

from __future__ import annotations

import re
import subprocess
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import NamedTuple

_SCRIPT = """
local bearer = {bearer}
wrk.method = bearer and "GET" or "POST"
wrk.headers["Content-Type"] = not bearer and "application/x-www-form-urlencoded" or nil
wrk.headers["Authorization"] = "Basic {credentials}"
local bodies, first, last, bad = {{}}, 1, 0, 0
for line in io.lines("{bodies}") do last = last + 1; bodies[last] = line end
local rotating = {rotating}
request = function()
  local body = bodies[first]
  first = first + 1
  if not rotating and first > last then first = 1 end
  if bearer then
    wrk.headers["Authorization"] = body
    return wrk.format()
  end
  return wrk.format(nil, nil, nil, body)
end
response = function(status, headers, body)
  if status ~= {good} or string.find(body, '"active":%s*false') then bad = bad + 1; wrk.thread:set("bad", bad) end
  local token = rotating and string.match(body, '"refresh_token":%s*"([^"]+)"')
  if token then last = last + 1; bodies[last] = "grant_type=refresh_token&refresh_token=" .. token end
end
setup = function(thread) threads = {{thread}}; thread:set("bad", 0) end
done = function(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), threads[1]:get("bad")))
end
"""
_RESULT = re.compile(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)")


class Case(NamedTuple):
    """What is asked: `body` is one form, or a file of one form a line, taken in turn; `good` is the status expected.

    Where it is `rotating`, each form is sent once, and the refresh token of each answer makes one more. Where it is
    `bearer`, the lines are `Authorization` headers of requests without a body.
    """

    name: str
    url: str
    login: tuple[str, str]
    body: str | Path
    good: int = 200
    rotating: bool = False
    bearer: bool = False


class Measured(NamedTuple):
    """What came of it; `bad` counts answers that were not the expected ones."""

    case: str
    rate: float
    p50_ms: float
    p99_ms: float
    bad: int


def measure(case: Case, seconds: int, connections: int, core: str) -> Measured:
    """Run wrk on one core, with one thread. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        bodies = Path(folder) / "bodies"
        bodies.write_text(case.body.read_text() if isinstance(case.body, Path) else case.body + "\n")
        credentials = b64encode(":".join(case.login).encode()).decode()
        script = Path(folder) / "case.lua"
        rotating = str(case.rotating).lower()
        bearer = str(case.bearer).lower()
        script.write_text(
            _SCRIPT.format(credentials=credentials, bodies=bodies, good=case.good, rotating=rotating, bearer=bearer)
        )
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

"""Requests that schemathesis makes from the OpenAPI document: what it describes, and what it does not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.derived import CONTRACTS
from tests.fuzz.plan import EXAMPLES, SEED, report
from tests.fuzz.target import Credentials, Target

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(7_200)]

_AUTHENTICATION = """\
[auth.openapi.bearer]
bearer = "{0.own}"

[auth.openapi.client_secret_basic]
username = "users-api"
password = "{0.secrets[users-api]}"
"""
_OPTIONS = (
    *("--checks", "not_a_server_error", "--phases", "coverage,fuzzing", "--generation-database", "none"),
    *("--workers", "2", "--request-timeout", "60", "--max-redirects", "0", "--continue-on-failure", "--no-color"),
    *("--suppress-health-check", "all"),
)
_CASES = re.compile(r"(\d+) generated, (\d+) passed")


def test_described_requests_break_nothing(target: Target, tmp_path: Path) -> None:
    """No 5xx, no hang, no traceback; the workers live on, the journal is whole, no secret is told."""
    done = _schemathesis(target.url, target.credentials, tmp_path)
    cases = _CASES.search(done.stdout)
    assert cases is not None, done.stdout + done.stderr
    report(f"described: seed {SEED}, {cases[1]} requests, {cases[2]} passed")
    assert (done.returncode, cases[1]) == (0, cases[2]), done.stdout
    assert target.close_look() == []


def _schemathesis(url: str, known: Credentials, folder: Path) -> subprocess.CompletedProcess[str]:
    configuration = folder / "schemathesis.toml"
    configuration.write_text(_AUTHENTICATION.format(known))
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration), "run"]
    amount = ["--max-examples", str(EXAMPLES), "--seed", str(SEED)]
    document = str(CONTRACTS / "openapi.json")
    return subprocess.run(
        [*program, document, "--url", url, *_OPTIONS, *amount], capture_output=True, text=True, check=False, cwd=folder
    )

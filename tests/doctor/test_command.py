from __future__ import annotations

import json
import logging
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.cli.main import tallystick
from service.doctor import gather
from service.doctor.finding import Finding
from service.doctor.issuer import CHECKS

SECRETS = {
    "TALLYSTICK_DATABASE_URL": "postgresql://me:s3cret@127.0.0.1:1/x",
    "TALLYSTICK_NATS_URL": "nats://me:s3cret@127.0.0.1:1",
    "TALLYSTICK_ISSUER": "http://127.0.0.1:1",
    "TALLYSTICK_MASTER_KEY": "s3cret",
}


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """The command silences the log of its process, which here is the tests'."""
    yield
    logging.disable(logging.NOTSET)


def run(home: Path, *arguments: str, **environment: str) -> Result:
    """The command on a home."""
    env = {"TALLYSTICK_HOME": str(home), "TALLYSTICK_DATABASE_URL": "", "TALLYSTICK_NATS_URL": ""} | environment
    return CliRunner().invoke(tallystick, ["doctor", *arguments], env=env)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--url", "auth.example.com"),
        ("--url", "http://me:s3cret@a.example"),
        ("--nats-monitoring", "nats://x"),
        ("--no",),
    ],
)
def test_wrong_usage_exits_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """What is no address, or holds a password, is refused before anything is asked."""
    assert run(tmp_path, *arguments).exit_code == 2


def test_nothing_to_check_exits_1(tmp_path: Path) -> None:
    """Without a running instance and named servers it is told what to do."""
    result = run(tmp_path)

    assert result.exit_code == 1
    assert "nothing runs on" in result.output


def test_a_deployment_that_is_down_is_findings_and_no_traceback(tmp_path: Path) -> None:
    """Whatever does not answer is a finding; all else is unknown, and no secret is printed."""
    told, as_json = run(tmp_path, **SECRETS), run(tmp_path, "--json", **SECRETS)
    findings = json.loads(as_json.stdout)
    failed = {each["id"] for each in findings if each["severity"] == "fail"}

    assert (told.exit_code, as_json.exit_code) == (1, 1)
    assert isinstance(told.exception, SystemExit)
    assert failed == {
        "issuer-unreachable",
        "access-model-unseen",
        "signing-keys-unseen",
        "database-unreachable",
        "nats-unreachable",
        "record-unseen",
    }
    assert "s3cret" not in told.output + as_json.output
    assert "fail     database-unreachable: no connection to Postgres" in told.output
    assert "why   Nothing is issued or revoked without Postgres" in told.output


def test_verbose_names_what_is_well(tmp_path: Path) -> None:
    """Otherwise such checks are counted."""
    short, long = run(tmp_path, **SECRETS).output, run(tmp_path, "--verbose", **SECRETS).output

    assert "login-failures-account-loose" not in short
    assert "ok       login-failures-account-loose: an account takes at most 100 wrong passwords an hour" in long


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_nothing_that_a_server_says_steers_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """Control characters, those that turn the direction and what is no text are escaped; JSON says the same."""
    said = "\x1b[31m \x9b2J \x7f \u202e \u2066 \u2028 \udc9b \u00fc"

    async def examine(*_: object, **__: object) -> list[Finding]:
        return [CHECKS[0].found(said)]

    monkeypatch.setattr(gather, "examine", examine)
    result = run(tmp_path, *arguments, **SECRETS)

    assert set(result.stdout) <= {*string.printable, "\u00fc", "\u2026"} - {"\r", "\x0b", "\x0c"}
    if arguments:
        assert json.loads(result.stdout)[0]["found"] == said

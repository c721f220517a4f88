from __future__ import annotations

import asyncio
import gc
import importlib
import io
import json
import logging
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from litestar.types import Receive, Scope, Send

from service.cli.main import tallystick
from service.endpoints.core import Core
from service.http.server import server_of
from service.journal.port import JournalTimeout
from service.settings import Settings
from service.telemetry.logs import JsonFormatter, configure_logs
from service.telemetry.metrics import Metrics
from service.telemetry.trace_context import work_within

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave logging, warnings and the collector of garbage as they were."""
    root, thresholds = logging.getLogger(), gc.get_threshold()
    handlers, level = list(root.handlers), root.level
    yield
    logging.captureWarnings(capture=False)
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a process that serves writes to standard error, from `info` on."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs("info", "serve")
    return written


def lines(text: str) -> list[dict[str, Any]]:
    """The records of a log."""
    return [json.loads(line) for line in text.splitlines()]


def formatted(text: object, *args: object) -> str:
    """One line about something."""
    return JsonFormatter("serve").format(logging.LogRecord("x", logging.INFO, "", 0, text, args, None))


def test_line_is_json_that_says_when_where_and_what(written: io.StringIO) -> None:
    """Each record is one line of JSON on standard error, exceptions and line breaks included."""
    log = logging.getLogger("service.test")
    log.debug("not shown")
    log.info('said "%s"\n%s', "quoted", "\u00fcber")
    try:
        raise ValueError("inner")
    except ValueError:
        log.exception("failed")
    said, failed = lines(written.getvalue())
    assert {name: said[name] for name in ("level", "logger", "message", "role")} == {
        "level": "info",
        "logger": "service.test",
        "message": 'said "quoted"\n\u00fcber',
        "role": "serve",
    }
    assert said["time"].endswith("+00:00")
    assert said["process"] > 0
    assert not {"exception", "error", "trace_id", "span_id"} & said.keys()
    assert (failed["level"], failed["message"], failed["error"]) == ("error", "failed", "ValueError")
    assert failed["exception"].endswith("ValueError: inner")


def test_error_that_is_told_in_a_sentence_is_named_by_its_class() -> None:
    """A warning that tells an error has the error's class as well, so that it can be counted."""
    assert json.loads(formatted("waiting: %s", asyncio.QueueFull()))["error"] == "asyncio.queues.QueueFull"
    assert json.loads(formatted("waiting: %s", OSError("gone")))["error"] == "OSError"


@pytest.mark.parametrize("breaker", ["\n", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_nothing_that_is_logged_makes_another_line(breaker: str) -> None:
    """What any viewer takes for the end of a line is escaped, and is there again once the JSON is read."""
    text = f'refused{breaker}{{"level":"info","message":"all is well"}}'
    line = formatted("%s", text)
    assert line.splitlines() == [line]
    assert json.loads(line)["message"] == text


@pytest.mark.parametrize("command", ["\x1b[2J", "\x9b2J", "\x00", "\x7f", "\u202e", "\u2066", "\u200b", "\ufeff"])
def test_nothing_that_is_logged_steers_a_terminal(command: str) -> None:
    """Control characters, those without a width and those that turn the direction are escaped."""
    line = formatted("before%safter", command)
    assert line.isprintable()
    assert json.loads(line)["message"] == f"before{command}after"


def test_what_cannot_be_formatted_is_still_a_line() -> None:
    """A call whose arguments do not fit, or a text that UTF-8 has not, is told as well as can be, without values."""
    assert json.loads(formatted("%d tokens", "many"))["message"] == "%d tokens"
    assert json.loads(formatted("half \ud800 of a pair"))["message"] == "half ? of a pair"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("tly_rt_" + "Ab3_-" * 14, "tly_rt_..."),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_..."),
        ("bad token eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ6b2UifQ.c2ln here", "bad token eyJ... here"),
        (
            "cannot reach postgresql://app:hun%2Fter2@db:5432/tallystick",
            "cannot reach postgresql://app:...@db:5432/tallystick",
        ),
        ("nats://audit:p@ss@nats:4222", "nats://audit:...@nats:4222"),
        ("{'authorization': 'Basic YmlsbGluZzpodW50ZXIy'}", "{'authorization': 'Basic ...'}"),
        ("POST password=hunter2&name=zoe", "POST password=...&name=zoe"),
        ('{"client_secret": "hunter2"}', '{"client_secret": "..."}'),
        ('{"password": "two words, three", "a": 1}', '{"password": "...", "a": 1}'),
        (r'{"password": "one \" and \\", "a": 1}', '{"password": "...", "a": 1}'),
        (r"password='it\'s, one', a=1", "password='...', a=1"),
        ("secret=b'a b' c", "secret=b'...' c"),
        ("password='never\nclosed; a", "password='..."),
        ("host=db db_password=hunter2 port=1", "host=db db_password=... port=1"),
        ("PGPASSWORD=hunter2 psql", "PGPASSWORD=... psql"),
        ("TALLYSTICK_MASTER_KEY=AAAA= master_key: BBBB", "TALLYSTICK_MASTER_KEY=... master_key: ..."),
        ("secret=abc&name=zoe", "secret=...&name=zoe"),
        ("authorization: Basic c2hvcnQ6eA==", "authorization: Basic ..."),
        (
            "the secret of a client, its password and basic words",
            "the secret of a client, its password and basic words",
        ),
        (
            "client billing has no token; basic authentication failed",
            "client billing has no token; basic authentication failed",
        ),
        ("GET http://127.0.0.1:8080/health/live", "GET http://127.0.0.1:8080/health/live"),
    ],
)
def test_secret_in_the_words_of_a_library_is_taken_out(said: str, shown: str) -> None:
    """Handles, JWTs, webhook secrets, passwords of addresses, credentials and secret parameters are not shown."""
    assert json.loads(formatted("%s", said))["message"] == shown


_LONG = """
from service.telemetry.redaction import redacted

urls = ("a.", "a", "a ", "a://", "a://b:", "a://b:c")
for text in (*urls, "eyJ", "basic ", "password ", 'password="', r"password='\\'"):
    redacted(text * (200_000 // len(text)))
for name in ("password", "basic", "authorization: basic", 'password = "', "a://b:"):
    redacted(name + " " * 200_000)
    redacted(name + "\\\\" * 200_000)
"""


def test_long_text_takes_no_longer_than_its_length() -> None:
    """What takes a second so would take some hours if each letter were looked at once for each other one."""
    subprocess.run([sys.executable, "-c", _LONG], check=True, timeout=60)


def test_secret_in_a_traceback_is_taken_out(written: io.StringIO) -> None:
    """The words of an exception are as foreign as any."""
    try:
        raise RuntimeError("postgresql://app:hunter2@db/tallystick")
    except RuntimeError:
        logging.getLogger("service.test").exception("failed")
    assert "hunter2" not in written.getvalue()
    assert lines(written.getvalue())[0]["exception"].endswith("RuntimeError: postgresql://app:...@db/tallystick")


async def test_each_task_logs_its_own_trace(written: io.StringIO) -> None:
    """What concurrent requests log has the ids of each; what is within no trace has none."""
    log = logging.getLogger("service.test")
    both = asyncio.Barrier(2)

    async def answer(traceparent: str | None, text: str) -> None:
        work_within(traceparent)
        await both.wait()
        log.warning(text)

    await asyncio.gather(answer(f"00-{TRACE_ID}-{SPAN_ID}-01", "traced"), answer(None, "untraced"))
    told = {line["message"]: (line.get("trace_id"), line.get("span_id")) for line in lines(written.getvalue())}
    assert told == {"traced": (TRACE_ID, SPAN_ID), "untraced": (None, None)}


def test_libraries_and_warnings_are_logged_the_same_way(written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """NATS, asyncpg and Python's warnings write lines of JSON too, once a server is set up."""

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise NotImplementedError

    server_of(app)
    names = ["service.http.cycle", "nats", "nats.aio.client", "asyncpg", "aiohttp.client", "opentelemetry.sdk"]
    for name in names:
        logging.getLogger(name).warning("said")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)  # what catches them for pytest comes between
        monkeypatch.setattr(sys, "stderr", written)
        configure_logs("info", "serve")
        warnings.warn("an old thing", DeprecationWarning, stacklevel=1)
    assert [line["logger"] for line in lines(written.getvalue())] == [*names, "py.warnings"]


@pytest.mark.parametrize("role", ["serve", "relay", "project", "consume", "up"])
def test_every_role_logs_so_and_by_its_name(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command that runs until it is stopped logs JSON with its name, at TALLYSTICK_LOG_LEVEL."""
    runs = {"serve": "run_worker", "relay": "run_relay", "project": "run_projector", "consume": "run_consumers"}

    async def run(*given: object) -> None:
        for each in given:
            if isinstance(each, socket.socket):
                each.close()
        logging.getLogger("service.test").info("not shown")
        logging.getLogger("service.test").warning("running")

    monkeypatch.setenv("TALLYSTICK_LOG_LEVEL", "warning")
    if role == "up":
        monkeypatch.setattr(importlib.import_module("service.cli.up"), "_until_signalled", run)
    else:
        monkeypatch.setattr(f"service.bootstrap.{runs[role]}", run)
    port = ["--port", "0"] if role in {"serve", "up"} else []
    result = CliRunner().invoke(tallystick, [role, *port])
    assert result.exit_code == 0, result.output
    assert [(line["role"], line["message"]) for line in lines(result.stderr)] == [(role, "running")]


async def test_what_goes_on_for_others_is_within_nobodys_trace(
    core: Core, settings: Settings, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task that follows the journal for all who listen does not log the trace of who came first."""
    live = importlib.import_module("service.audit.live")
    failed = asyncio.Event()

    async def refuse(*_: object) -> None:
        asyncio.get_running_loop().call_soon(failed.set)
        raise TimeoutError("no answer")

    monkeypatch.setattr(live, "connect", refuse)
    work_within(f"00-{TRACE_ID}-{SPAN_ID}-01")
    with live.LiveEvents(settings.database_url).listened():
        await asyncio.wait_for(failed.wait(), 30)
    (line,) = lines(written.getvalue())
    assert (line["logger"], line.get("trace_id")) == ("service.audit.live", None)


def test_documented_line_is_one_that_is_written(written: io.StringIO) -> None:
    """The example of docs/operations.md has the fields, in their order, and the kinds of values, of a real line."""
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    (example,) = [json.loads(line) for line in text.splitlines() if line.startswith('    {"time":')]
    work_within(f"00-{TRACE_ID}-{SPAN_ID}-01")
    try:
        Metrics().unavailable("token", JournalTimeout("the commit did not come within its deadline"))
    finally:
        work_within(None)
    (real,) = lines(written.getvalue())
    assert list(example) == list(real)
    assert {name: example[name] for name in example.keys() - {"time", "process"}} == {
        name: real[name] for name in real.keys() - {"time", "process"}
    }

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from service.journal.port import Append, Appended, JournalTimeout
from service.telemetry.logs import JsonFormatter, configure_logs
from tests.endpoints.world import INTROSPECT, REVOKE, TOKEN, World, fresh_party

GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Leave the root logger as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(text: str) -> list[dict[str, Any]]:
    """The records of a log."""
    return [json.loads(line) for line in text.splitlines()]


def test_line_is_json_with_time_level_logger_and_message(
    restored_logging: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each record is one line of JSON on standard error, exceptions and line breaks included."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs("info")
    log = logging.getLogger("service.test")
    log.debug("not shown")
    log.info('said "%s"\n%s', "quoted", "\u00fcber")
    try:
        raise ValueError("inner")
    except ValueError:
        log.exception("failed")
    said, failed = lines(written.getvalue())
    assert {name: said[name] for name in ("level", "logger", "message")} == {
        "level": "info",
        "logger": "service.test",
        "message": 'said "quoted"\n\u00fcber',
    }
    assert said["time"].endswith("+00:00")
    assert "exception" not in said
    assert (failed["level"], failed["message"]) == ("error", "failed")
    assert failed["exception"].endswith("ValueError: inner")


@pytest.mark.asyncio(loop_scope="session")
async def test_no_secret_is_logged(world: World, restored_logging: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the finest level, over every kind of answer, 503 and 500 included, no secret or token is in the log."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)
    token = await world.issue(world.service)
    opaque = await world.issue(await world.worker(token_format="opaque"))
    for text in (token, opaque, token + "x", "tly_at_" + "A" * 71):
        await world.introspect(text)
        await world.revoke(text, world.other)
    await world.call(TOKEN, GRANT, headers=fresh_party().basic)
    await world.call(TOKEN, GRANT | world.service.post, headers=world.service.basic)
    for error in (JournalTimeout("late"), ZeroDivisionError("fault")):
        with monkeypatch.context() as patch:

            async def fail(_: Append, error: Exception = error) -> Appended:
                raise error

            patch.setattr(world.core.journal, "append", fail)
            for path in (TOKEN, INTROSPECT, REVOKE):
                form = GRANT | {"token": token + "x"}
                await world.call(path, form, headers=world.service.basic, received=False)
    logging.getLogger().removeHandler(handler)
    text = written.getvalue()
    ours = [line for line in lines(text) if line["logger"].startswith("service.")]
    assert {"warning", "error"} <= {line["level"] for line in ours}
    assert [secret for secret in world.secrets if secret in text] == []

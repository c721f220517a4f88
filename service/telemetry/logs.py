"""Logs: one JSON object a line on standard error, those of libraries and Python's warnings included.

Every line has time, level, logger, message, and the role and id of the process. A line that is written while a request
is answered has the ids of its trace, one about an error the error's class. What somebody else wrote cannot forge a
line or steer a terminal, nor bring a secret into the log.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import re
import sys
from typing import Any

import msgspec

from service.telemetry.redaction import redacted
from service.telemetry.trace_context import trace_ids

# What JSON lets stand but viewers take for the end of a line, a command or a turn of the direction. In a line these are
# within strings alone, where an escape says the same.
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON; `role` is what the process does, such as `serve`."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(_message(record)),
            "role": self._role,
            "process": record.process or os.getpid(),
        }
        ids = trace_ids()
        if ids is not None:
            line["trace_id"], line["span_id"] = ids
        error = _error(record)
        if error is not None:
            line["error"] = _name(type(error))
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = redacted(self.formatException(record.exc_info))
        return _encoded(line)


def configure_logs(level: str, role: str) -> None:
    """Send all logs of this process, which does what `role` says, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(role))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    logging.getLogger("yoyo").setLevel(logging.WARNING)


def _message(record: logging.LogRecord) -> str:
    """What was said. A call whose arguments do not fit its text is told by the text alone: its values are not for
    guessing what to show of them.
    """
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return str(record.msg)


def _error(record: logging.LogRecord) -> BaseException | None:
    """The error that a record is about: the one that is being handled, or one among what it tells."""
    if record.exc_info and record.exc_info[1] is not None:
        return record.exc_info[1]
    told = record.args if isinstance(record.args, tuple) else ()
    return next((each for each in told if isinstance(each, BaseException)), None)


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _encoded(line: dict[str, Any]) -> str:
    try:
        text = msgspec.json.encode(line).decode()
    except UnicodeEncodeError:  # half of a surrogate pair, which UTF-8 has not
        whole = {
            name: value.encode(errors="replace").decode() if isinstance(value, str) else value
            for name, value in line.items()
        }
        text = msgspec.json.encode(whole).decode()
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)

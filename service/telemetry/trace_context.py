"""Within which trace this task works: the W3C `traceparent` of the request that it answers.

A request is a task of its own, so what is set for it is seen by all that it awaits or starts, and by nothing else.
What a request starts and lets go on for longer must begin in a context of its own (`contextvars.Context()`).
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple

_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)

_TRACE, _SPAN = slice(3, 35), slice(36, 52)


class TraceIds(NamedTuple):
    """The ids of a trace and of the span that caused what happens, in hexadecimal (W3C Trace Context section 3.2)."""

    trace: str
    span: str


def work_within(traceparent: str | None) -> None:
    """From now on this task works within the trace of a valid `traceparent`, or within none."""
    _traceparent.set(traceparent)


def trace_ids() -> TraceIds | None:
    """The trace within which this task works; None where there is none."""
    text = _traceparent.get()
    return None if text is None else TraceIds(text[_TRACE], text[_SPAN])

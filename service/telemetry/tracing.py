"""Tracing: a span around each request, when `OTEL_EXPORTER_OTLP_ENDPOINT` is set (the standard OTEL_* variables apply).

Without an endpoint nothing is recorded and a request costs nothing; the caller's `traceparent` still goes into its
events and its log lines.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from service.telemetry.trace_context import work_within

if TYPE_CHECKING:
    from service.telemetry.otlp import Exporter


class Tracing:
    """A server span around each request to an OAuth endpoint, child of the caller's span."""

    def __init__(self) -> None:
        self._exporter: Exporter | None = None
        if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
            from service.telemetry.otlp import Exporter  # noqa: PLC0415 half a second of imports that few need

            self._exporter = Exporter()

    def request(self, endpoint: str, traceparent: str | None) -> AbstractContextManager[None]:
        """A span for a request, or nothing where no collector is configured. What the request logs has the ids of the
        span, or of the caller's.
        """
        work_within(traceparent)
        return nullcontext() if self._exporter is None else self._exporter.span(f"oauth2 {endpoint}", traceparent)

    def stop(self) -> None:
        """Send what is left."""
        if self._exporter is not None:
            self._exporter.stop()

"""Status lines of HTTP/1.1 (RFC 9112 section 4)."""

from __future__ import annotations

from http import HTTPStatus

STATUS_LINE = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii") for status in HTTPStatus}

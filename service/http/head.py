"""What an answer begins with: its status line and header lines (RFC 9112 sections 4 and 5)."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus

Header = tuple[bytes, bytes]

STATUS_LINE = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii") for status in HTTPStatus}


def header_lines(headers: Collection[Header]) -> bytes:
    """The lines of some headers. Raises ValueError where one would be more than a line (CWE-113)."""
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    if not lines.count(b"\n") == lines.count(b"\r") == len(headers) or b"\0" in lines:
        raise ValueError("a header has a line break in it, or a null")
    return lines
